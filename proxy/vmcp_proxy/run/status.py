"""The state of the proxy as the admin port tells it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vmcp_api.config import Withheld
from vmcp_api.manifests.problems import Problems
from vmcp_api.pod_status import (
    ISSUER_OK,
    ISSUER_UNAVAILABLE,
    ISSUER_UNKNOWN,
    KEYS_MISSING,
    KEYS_OK,
    OPTIMIZER,
    RATE_LIMITING,
    WITHHELD,
    BackendReport,
    ConflictReport,
    Counts,
    DroppedReport,
    IssuerReport,
    LoadError,
    PodStatus,
    SearchReport,
    SecretReport,
    StoreReport,
    UnmatchedReport,
)
from vmcp_api.spec.optimizer import SEARCH_TOOLS
from vmcp_api.spec.outgoing import OutgoingAuthType
from vmcp_api.spec.references import KeyRef
from vmcp_proxy.auth.incoming.oidc.provider_state import ProviderState
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.circuit import CIRCUIT_IS_OPEN
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.serve.apps.admin import Readiness
from vmcp_proxy.sessions import Keyring, SessionStore

_ISSUER_STATES: Final = {None: ISSUER_UNKNOWN, True: ISSUER_OK, False: ISSUER_UNAVAILABLE}


@dataclass(slots=True)
class ProxyState:
    """What changes over the life of the process; `loaded` is the config in force.

    `has_mounted_keys`: the session keys that it works with came from outside; `has_lost_keys`: they are mounted no
    more. `policy_problem`: why the config's policies are not in force; `lacks_policies`: there are no former ones
    either.
    """

    loaded: Loaded
    withheld: tuple[Withheld, ...] = ()
    load_problems: Problems = field(default_factory=Problems)
    policy_problem: LoadError | None = None
    lacks_policies: bool = False
    has_keys: bool = True
    has_lost_keys: bool = False
    has_mounted_keys: bool = False
    is_started: bool = False
    is_draining: bool = False


class ProxyStatus:
    """Answers `/readyz` and `/status`; both hold names and counts, no URLs and no secrets.

    `limited_beside` are tools that limits can be about although the catalog has none of their names. `listed` is what
    tool search serves in place of a catalog. `lack` is why the one process of a bridge cannot be called, empty where it
    can. `keyring` are the session keys in force.
    """

    def __init__(
        self,
        state: ProxyState,
        store: SessionStore,
        members: Callable[[], Mapping[str, Member]],
        links: OwnLinks,
        catalog: Callable[[], Catalog],
        limited_beside: Callable[[Catalog], Collection[str]],
        provider: Callable[[], ProviderState | None],
        rate_limits: Callable[[], StoreReport | None],
        audit: Callable[[], StoreReport | None],
        search: Callable[[], SearchReport | None],
        listed: Callable[[Catalog], Catalog | None],
        lack: Callable[[], str],
        keyring: Callable[[], Keyring],
    ) -> None:
        self._state = state
        self._store = store
        self._members = members
        self._links = links
        self._catalog = catalog
        self._limited_beside = limited_beside
        self._provider = provider
        self._rate_limits = rate_limits
        self._audit = audit
        self._search = search
        self._listed = listed
        self._lack = lack
        self._keyring = keyring

    def readiness(self) -> Readiness:
        """Whether the pod may get traffic; never a question of Redis or of backends, but of a bridge's process."""
        state, lack = self._state, self._lack()
        reasons = (
            *(("the config is not loaded yet",) if not state.is_started else ()),
            *(("no session keys are mounted",) if not state.has_keys else ()),
            *(("the policies cannot be used, and there are no former ones",) if state.lacks_policies else ()),
            *((lack,) if lack else ()),
            *(("shutting down",) if state.is_draining else ()),
        )
        return Readiness(not reasons, reasons)

    @property
    def has_refused(self) -> bool:
        """Whether a part of the config that is mounted cannot be used, so that a former one is in force."""
        return bool(self._state.load_problems.errors) or self._state.policy_problem is not None

    def status(self) -> PodStatus:
        """The whole state, in an order that only changes when it does."""
        state, catalog = self._state, self._catalog()
        listed = self._listed(catalog)
        return PodStatus(
            config_hash=state.loaded.digest,
            load_error=_load_error(state.load_problems) or state.policy_problem,
            keys=KEYS_OK if state.has_keys and not state.has_lost_keys else KEYS_MISSING,
            key_ids=tuple(self._keyring()) if state.has_mounted_keys else (),
            signing_key=self._keyring().signing_kid if state.has_mounted_keys else None,
            lack=self._lack() or None,
            store=StoreReport(str(self._store.state), self._store.state.message),
            issuer=_issuer(self._provider()),
            rate_limits=self._rate_limits(),
            audit=self._audit(),
            search=self._search(),
            missing_secrets=tuple(map(_name, state.loaded.missing)),
            invalid_secrets=tuple(SecretReport(_name(ref), flaw) for ref, flaw in state.loaded.flaws.items()),
            backends=(
                *(self._backend(member, catalog) for _, member in sorted(self._members().items())),
                *map(_withheld, state.withheld),
            ),
            conflicts=tuple(
                ConflictReport(each.kind.value, each.name, each.winner, each.losers) for each in catalog.conflicts
            ),
            dropped_tools=tuple(
                DroppedReport(each.backend, each.kind.value, each.name, each.reason) for each in catalog.dropped
            ),
            unmatched=(
                *(UnmatchedReport(each.workload, each.setting, each.entry) for each in catalog.unmatched),
                *self._unserved(catalog),
            ),
            counts=Counts(
                tools=len(catalog.tools),
                resources=len(catalog.resources),
                templates=len(catalog.templates),
                prompts=len(catalog.prompts),
                context_bytes=_size_of(catalog),
                listed_context_bytes=None if listed is None else _size_of(listed),
            ),
        )

    def _unserved(self, catalog: Catalog) -> Iterator[UnmatchedReport]:
        """Tools that settings name by what clients see, and nobody serves; none while a backend may yet list more."""
        config = self._state.loaded.config.config
        if catalog.missing or catalog.incomplete or any(map(_is_personal, self._members().values())):
            return
        if config.rate_limiting:
            limited_beside = self._limited_beside(catalog)
            for tool in config.rate_limiting.tools:
                if catalog.find(Kind.TOOL, tool.name) is None and tool.name not in limited_beside:
                    yield UnmatchedReport("", RATE_LIMITING, tool.name)
        if config.optimizer and config.optimizer.enabled:
            for name in config.optimizer.always_visible:
                if catalog.find(Kind.TOOL, name) is None and name not in SEARCH_TOOLS:
                    yield UnmatchedReport("", OPTIMIZER, name)

    def _backend(self, member: Member, catalog: Catalog) -> BackendReport:
        incomplete = [each.reason for each in catalog.incomplete if each.backend == member.name]
        described = BackendReport(
            member.name,
            member.config.kind,
            member.health.state.value,
            transport=member.config.transport.value,
            auth_type=_auth_type(member).value,
            message="; ".join((*filter(None, (_ails(member),)), *incomplete)),
            callers=member.callers_trouble or None,
            circuit=member.circuit.state.value if member.circuit.is_enabled else None,
        )
        session = self._links.of(member).session
        if session is None:
            return described
        served = {kind: sum(each.backend == member.name for each in catalog.of(kind)) for kind in Kind}
        return replace(
            described,
            revision=", ".join(member.backend.revisions) or session.hello.version,
            tools=served[Kind.TOOL],
            resources=served[Kind.RESOURCE],
            templates=served[Kind.TEMPLATE],
            prompts=served[Kind.PROMPT],
        )


def _size_of(catalog: Catalog) -> int:
    return sum(len(tool.raw) for tool in catalog.tools)


def _auth_type(member: Member) -> OutgoingAuthType:
    auth = member.config.outgoing_auth
    return OutgoingAuthType.UNAUTHENTICATED if auth is None else auth.type


def _is_personal(member: Member) -> bool:
    return member.is_personal


def _ails(member: Member) -> str:
    """What is wrong with a backend; empty where nothing is."""
    said = member.health.told
    return (
        said
        if member.circuit.is_closed
        else f"{said or f'backend {member.name!r} kept failing'}, and {CIRCUIT_IS_OPEN}"
    )


def _withheld(each: Withheld) -> BackendReport:
    return BackendReport(each.name, each.kind, WITHHELD, reason=each.reason, message=each.message)


def _issuer(state: ProviderState | None) -> IssuerReport | None:
    if state is None:
        return None
    return IssuerReport(_ISSUER_STATES[state.is_reached], state.message)


def _name(ref: KeyRef) -> str:
    return f"{ref.name}/{ref.key}"


def _load_error(problems: Problems) -> LoadError | None:
    first = next(iter(problems.errors), None)
    return None if first is None else LoadError(first.path, str(first))
