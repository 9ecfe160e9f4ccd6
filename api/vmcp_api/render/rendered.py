"""What a rendering yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vmcp_api.config import ProxyConfig
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.member import Refusal
from vmcp_api.secret import SecretBytes, SecretKey


class Mode(StrEnum):
    """Where the proxy will run."""

    CLUSTER = "cluster"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A config, the values of the secrets that it refers to, and what is wrong without stopping it.

    In cluster mode ``secrets`` is empty: pods mount them. ``telemetry`` says why what is sent by OTLP is not what the
    resources ask for, ``composites`` why composite tools are not served, and ``embeddings`` why tools are ranked
    without the server that they name; they are among the warnings, too.
    """

    config: ProxyConfig
    secrets: Mapping[SecretKey, SecretBytes] = field(default_factory=dict)
    warnings: Problems = field(default_factory=Problems)
    telemetry: Refusal | None = None
    composites: tuple[Refusal, ...] = ()
    embeddings: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Unguarded:
    """All of a config but who may come in and what they may do, of which one cannot be told.

    ``incoming`` says what is wrong with the former, ``authorization`` with the latter. Of both stays in force what was
    in force, and the rest follows the resources (ADR-0043); without a config that was in force nobody is served.
    """

    incoming: Problems
    authorization: Problems
    rest: Rendered

    @property
    def problems(self) -> Problems:
        """All that keeps the config from being whole."""
        return self.incoming + self.authorization

    def guarded_by(self, live: ProxyConfig) -> Rendered:
        """The rest, with those who may come in and what they may do as in a config that is in force."""
        kept = {"incoming_auth": live.incoming_auth, "authorization": live.authorization}
        return replace(self.rest, config=self.rest.config.model_copy(update=kept))
