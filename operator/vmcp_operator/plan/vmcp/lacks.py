"""What pods lack of Secrets: keys that are not there, and values that are of no use, by what goes without."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from vmcp_api.config import ProxyConfig
from vmcp_api.config.sessions import StorageConfig
from vmcp_api.pod_status import PodStatus
from vmcp_api.render.reasons import Reason
from vmcp_api.render.secretrefs import (
    SecretUse,
    audit_secrets,
    embeddings_secrets,
    secret_uses,
    storage_secrets,
    telemetry_secrets,
)
from vmcp_api.spec.audit import Audit

NOTHING: Final = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Lacks:
    """Keys that are missing, as `<Secret>/<key>`, and what is wrong with those that are there."""

    missing: frozenset[str] = NOTHING
    flaws: frozenset[str] = NOTHING

    def __bool__(self) -> bool:
        return bool(self.missing or self.flaws)

    @property
    def reason(self) -> str:
        """The reason of a condition."""
        return Reason.SECRET_NOT_FOUND if self.missing else Reason.SECRET_INVALID

    @property
    def message(self) -> str:
        """Which keys it is, and what to do."""
        absent = f"Secret keys are not there: {', '.join(sorted(self.missing))}; create them, the pods take them over"
        return "; ".join((*((absent,) if self.missing else ()), *sorted(self.flaws)))


@dataclass(frozen=True, slots=True)
class SecretLacks:
    """What pods lack, by what goes without; a key that several need is told by each."""

    auth: Lacks = Lacks()
    storage: Lacks = Lacks()
    telemetry: Lacks = Lacks()
    audit: Lacks = Lacks()
    embeddings: Lacks = Lacks()

    @classmethod
    def of(cls, reports: Iterable[PodStatus], config: ProxyConfig | None) -> Self:
        """What pods report, of the keys that a config names."""
        told = tuple(reports)
        missing = frozenset(name for report in told for name in report.missing_secrets)
        flaws = {each.name: _describe(each.name, each.message) for report in told for each in report.invalid_secrets}

        def among(names: frozenset[str]) -> Lacks:
            return Lacks(missing & names, frozenset(said for name, said in flaws.items() if name in names))

        if config is None:
            return cls(among(missing | flaws.keys()))
        storage, telemetry = _names(storage_secrets(config.session_storage)), _names(telemetry_secrets(config))
        audit, embeddings = _names(audit_secrets(config.config.audit)), _names(embeddings_secrets(config))
        # A key that the config does not name yet, or no more, is of those who come in.
        unknown = (missing | flaws.keys()) - storage - telemetry - audit - embeddings
        auth = unknown | _names(_of_auth(config))
        return cls(among(auth), among(storage), among(telemetry), among(audit), among(embeddings))


def _of_auth(config: ProxyConfig) -> Iterable[SecretUse]:
    behaviour = config.config.model_copy(update={"audit": Audit(), "optimizer": None})
    rest = {"telemetry": None, "config": behaviour, "session_storage": StorageConfig()}
    return secret_uses(config.model_copy(update=rest))


def _describe(name: str, flaw: str) -> str:
    secret, _, key = name.partition("/")
    return f"key {key!r} of Secret {secret!r} {flaw}"


def _names(uses: Iterable[SecretUse]) -> frozenset[str]:
    return frozenset(f"{use.ref.name}/{use.ref.key}" for use in uses)
