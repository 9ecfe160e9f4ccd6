"""What a backend's strategy of authentication makes of a caller: the credentials of its requests (ADR-0040)."""

from typing import Final, NoReturn, Self, TypeAlias

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.outgoing.errors import OutgoingAuthError
from vmcp_proxy.auth.outgoing.fixed import FixedHeader
from vmcp_proxy.auth.outgoing.relay import Relay
from vmcp_proxy.auth.outgoing.tokens import Grant, Slot, TokenSource
from vmcp_proxy.backends.credentials import Credentials, PassthroughCredentials, StaticCredentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, Collision, HeaderSnapshot, OutgoingHeaders, StaticHeaders, merge

Strategy: TypeAlias = FixedHeader | TokenSource | Relay


class TokenCredentials:
    """The headers of a client and of a backend, and over them a token that somebody hands out."""

    __slots__ = ("_backend", "_grant", "_headers", "_refused", "_slot", "_snapshot", "_static", "is_callers")

    def __init__(
        self, backend: str, slot: Slot, snapshot: HeaderSnapshot, static: StaticHeaders, *, is_callers: bool
    ) -> None:
        self.is_callers: Final = is_callers
        self._backend: Final = backend
        self._slot: Final = slot
        self._snapshot: Final = snapshot
        self._static: Final = static
        self._grant: Grant | None = None
        self._refused: Grant | None = None
        self._headers: OutgoingHeaders = ()

    @classmethod
    def of(
        cls, backend: str, slot: Slot, snapshot: HeaderSnapshot, static: StaticHeaders, *, is_callers: bool
    ) -> Self | Collision:
        """The credentials; a `Collision` where client and backend name the same header, and the token another."""
        tried = merge(snapshot, static, ((slot.header_name, b""),))
        return tried if isinstance(tried, Collision) else cls(backend, slot, snapshot, static, is_callers=is_callers)

    def __repr__(self) -> str:
        return f"<TokenCredentials {self._backend} {self._slot!r}>"

    def current(self) -> OutgoingHeaders | None:
        grant = self._slot.current()
        return None if grant is None or grant is self._refused else self._with(grant)

    @property
    def latest(self) -> OutgoingHeaders:
        return self._headers

    async def fetch(self, deadline: Deadline) -> OutgoingHeaders:
        del deadline
        refused = self._refused
        try:
            return self._with(await self._slot.fetch(refused))
        except OutgoingAuthError as error:
            if self._refused is refused:
                # No other is to be had: the next request may try it again.
                self._refused = None
            raise _no_credentials(self._backend, error) from None

    def refused(self, used: OutgoingHeaders) -> bool:
        grant = self._grant
        if grant is None or used is not self._headers:
            return True
        if not self._slot.refused(grant):
            return False
        self._refused = grant
        return True

    def _with(self, grant: Grant) -> OutgoingHeaders:
        if grant is not self._grant:
            self._refused = None
            merged = merge(self._snapshot, self._static, grant.header.headers)
            self._grant, self._headers = grant, () if isinstance(merged, Collision) else merged
        return self._headers


class WithheldCredentials:
    """A caller who gets none: nothing is sent for it."""

    __slots__ = ("_backend", "_error")
    is_callers = True
    latest: OutgoingHeaders = ()

    def __init__(self, backend: str, error: OutgoingAuthError) -> None:
        self._backend: Final = backend
        self._error: Final = error

    def current(self) -> None:
        return None

    async def fetch(self, deadline: Deadline) -> NoReturn:
        del deadline
        raise _no_credentials(self._backend, self._error)

    def refused(self, used: OutgoingHeaders) -> bool:
        del used
        return False


def is_personal(strategy: Strategy | None) -> bool:
    """Whether callers are told apart by it: what the backend says to one is not for another."""
    return isinstance(strategy, Relay) or (isinstance(strategy, TokenSource) and strategy.needs_user)


def relayed_names(strategy: Strategy | None) -> frozenset[str]:
    """The headers of the caller that it sends, by canonical name."""
    return strategy.names if isinstance(strategy, Relay) else frozenset()


def trouble_of_callers(strategy: Strategy | None) -> str:
    """What last kept callers from their tokens and lies with none of them; empty where nothing does."""
    return strategy.trouble.said if isinstance(strategy, TokenSource) else ""


def refusal(strategy: Strategy | None, identity: Identity, snapshot: HeaderSnapshot) -> str:
    """Why nothing is sent for a caller with these headers, which then sees nothing of the backend; empty if it is."""
    found = strategy.refusal(identity, snapshot) if isinstance(strategy, Relay) else None
    return "" if found is None else str(found)


def own_credentials(backend: str, static: StaticHeaders, strategy: Strategy | None) -> Credentials:
    """What requests carry that no caller stands behind: never what is a user's (ADR-0040)."""
    if isinstance(strategy, FixedHeader):
        return StaticCredentials.of(static, strategy.headers)
    if isinstance(strategy, TokenSource) and not strategy.needs_user:
        return TokenCredentials(backend, strategy.slot_for(None), EMPTY_SNAPSHOT, static, is_callers=False)
    return StaticCredentials.of(static)


def callers_credentials(
    backend: str, static: StaticHeaders, strategy: Strategy | None, identity: Identity, snapshot: HeaderSnapshot
) -> Credentials | Collision:
    """What the requests of a caller with these headers carry; a `Collision` where it and the backend name the same."""
    match strategy:
        case TokenSource():
            slot, is_callers = strategy.slot_for(identity), strategy.needs_user or len(snapshot) > 0
            return TokenCredentials.of(backend, slot, snapshot, static, is_callers=is_callers)
        case Relay():
            if (refused := strategy.refusal(identity, snapshot)) is not None:
                return WithheldCredentials(backend, refused)
            return PassthroughCredentials.of(snapshot, static, snapshot.relayed(strategy.names))
        case FixedHeader():
            return PassthroughCredentials.of(snapshot, static, strategy.headers)
        case None:
            return PassthroughCredentials.of(snapshot, static)


def _no_credentials(backend: str, error: OutgoingAuthError) -> BackendError:
    pause = round(error.retry_after) or None
    return BackendError(backend, Category.CREDENTIALS, str(error), detail=error.detail, retry_after=pause)
