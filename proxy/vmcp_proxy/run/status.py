"""The state of the proxy as the admin port tells it: the contract between proxy and operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vmcp_api.base import Json
from vmcp_api.config import CONTRACT, Withheld
from vmcp_api.manifests.problems import Problems
from vmcp_proxy.core.catalog.capabilities import Kind
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.clients.links import Links
from vmcp_proxy.core.members.circuit import CIRCUIT_IS_OPEN
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.serve.apps.admin import Readiness
from vmcp_proxy.sessions import SessionStore


@dataclass(slots=True)
class ProxyState:
    """What changes over the life of the process; `loaded` is the config in force.

    `has_lost_keys`: the session keys that it works with are mounted no more.
    """

    loaded: Loaded
    withheld: tuple[Withheld, ...] = ()
    load_problems: Problems = field(default_factory=Problems)
    has_keys: bool = True
    has_lost_keys: bool = False
    is_started: bool = False
    is_draining: bool = False


class ProxyStatus:
    """Answers `/readyz` and `/status`; both hold names and counts, no URLs and no secrets."""

    def __init__(
        self,
        state: ProxyState,
        store: SessionStore,
        members: Callable[[], Mapping[str, Member]],
        links: Links,
        catalog: Callable[[], Catalog],
    ) -> None:
        self._state = state
        self._store = store
        self._members = members
        self._links = links
        self._catalog = catalog

    def readiness(self) -> Readiness:
        """Whether the pod may get traffic; never a question of Redis or of backends."""
        state = self._state
        reasons = (
            *(("the config is not loaded yet",) if not state.is_started else ()),
            *(("no session keys are mounted",) if not state.has_keys else ()),
            *(("shutting down",) if state.is_draining else ()),
        )
        return Readiness(not reasons, reasons)

    def status(self) -> Mapping[str, Json]:
        """The whole state, in an order that only changes when it does."""
        state, catalog = self._state, self._catalog()
        return {
            "contract": CONTRACT,
            "configHash": state.loaded.digest,
            "loadError": _load_error(state.load_problems),
            "keys": "ok" if state.has_keys and not state.has_lost_keys else "missing",
            "store": {"state": str(self._store.state), "message": self._store.state.message},
            "missingSecrets": [f"{ref.name}/{ref.key}" for ref in state.loaded.missing],
            "backends": [
                *(self._backend(member, catalog) for _, member in sorted(self._members().items())),
                *(_withheld(each) for each in state.withheld),
            ],
            "conflicts": [
                {"kind": each.kind, "name": each.name, "winner": each.winner, "losers": list(each.losers)}
                for each in catalog.conflicts
            ],
            "droppedTools": [
                {"backend": each.backend, "kind": each.kind, "name": each.name, "reason": each.reason}
                for each in catalog.dropped
            ],
            "unmatched": [
                {"backend": each.workload, "setting": each.setting, "name": each.entry} for each in catalog.unmatched
            ],
            "counts": {
                **{f"{kind}s": len(catalog.of(kind)) for kind in Kind},
                "contextBytes": sum(len(tool.raw) for tool in catalog.tools),
            },
        }

    def _backend(self, member: Member, catalog: Catalog) -> dict[str, Json]:
        session = self._links.own(member).session
        incomplete = [each.reason for each in catalog.incomplete if each.backend == member.name]
        described: dict[str, Json] = {
            "name": member.name,
            "kind": member.config.kind,
            "transport": member.config.transport.value,
            "status": member.health.state.value,
            "message": "; ".join((*filter(None, (_ails(member),)), *incomplete)),
        }
        if member.circuit.is_enabled:
            described["circuit"] = member.circuit.state.value
        if session is not None:
            described["revision"] = session.hello.version
            for kind in Kind:
                described[f"{kind}s"] = sum(each.backend == member.name for each in catalog.of(kind))
        return described


def _ails(member: Member) -> str:
    """What is wrong with a backend; empty where nothing is."""
    said = member.health.told
    return (
        said
        if member.circuit.is_closed
        else f"{said or f'backend {member.name!r} kept failing'}, and {CIRCUIT_IS_OPEN}"
    )


def _load_error(problems: Problems) -> dict[str, Json] | None:
    first = next(iter(problems.errors), None)
    return None if first is None else {"path": first.path, "message": str(first)}


def _withheld(each: Withheld) -> dict[str, Json]:
    return {"name": each.name, "kind": each.kind, "status": "withheld", "reason": each.reason, "message": each.message}
