"""The config of an endpoint that has one client, the process that started it (ADR-0034)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.manifests.problems import Problems
from vmcp_api.spec.headers import PassthroughHeaderMode
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.sessions import SessionManagement, SessionStorage
from vmcp_proxy.run.reload import ConfigSource, Reading

_FOR_EVER: Final = 10.0 * 365 * 86400


@dataclass(frozen=True, slots=True)
class OneClientSource:
    """Another source, read for one client: its caller is the user of this machine, its session lasts as it does."""

    inner: ConfigSource

    def paths(self) -> Iterable[Path]:
        """See `ConfigSource`."""
        return self.inner.paths()

    def load(self) -> Reading | Problems:
        """See `ConfigSource`."""
        outcome = self.inner.load()
        if isinstance(outcome, Problems):
            return outcome
        return replace(outcome, loaded=replace(outcome.loaded, config=for_one_client(outcome.loaded.config)))


def for_one_client(config: ProxyConfig) -> ProxyConfig:
    """The config without what is about many clients: sign-in, expiry of sessions, their shared store."""
    lasting = SessionManagement().model_copy(update={"ttl": _FOR_EVER, "max_lifetime": _FOR_EVER})
    return config.model_copy(
        update={
            "incoming_auth": IncomingAuth(type=IncomingAuthType.LOCAL),
            "session_management": lasting,
            "session_storage": SessionStorage(),
            "passthrough_header_mode": PassthroughHeaderMode.SESSION,
        }
    )
