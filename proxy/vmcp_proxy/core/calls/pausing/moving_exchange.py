"""The exchange of a call that goes on from one request of its client to the next."""

from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.core.calls.notifications import for_later_request
from vmcp_proxy.core.virtual import Exchange, WorkflowEvent


class MovingExchange:
    """Speaks to the client on the stream of its present request; between two of them nothing can be said.

    Each request hears what the ones before it have: the one that gets the answer is the one that tells whose it is.
    """

    __slots__ = (
        "_credentials",
        "_current",
        "_decision",
        "_has_moved",
        "_is_composite",
        "_latest",
        "_routed",
        "_token",
        "tool",
    )

    def __init__(self, first: Exchange) -> None:
        self._current: Exchange | None = first
        self._latest = first
        self._has_moved = False
        self._token: msgspec.Raw | None = None
        self._routed: tuple[str, Credentials] | None = None
        self._is_composite = False
        self.tool = ""
        """What `called` has heard; empty where it has not."""
        self._decision: DecisionRecord | None = None
        self._credentials: Final[list[Credentials]] = []

    def pause(self) -> None:
        """The request is answered with what is asked."""
        self._current = None

    @property
    def backend(self) -> str:
        """Who gets the call; empty where that is no one backend."""
        return "" if self._routed is None else self._routed[0]

    def follow(self, next_of: Callable[[Exchange], Exchange], progress_token: msgspec.Raw | None) -> None:
        """Goes on with the next request, whose exchange is made of the one before."""
        exchange = next_of(self._latest)
        self._current = self._latest = exchange
        self._has_moved, self._token = True, progress_token
        if self._decision is not None:
            exchange.decided(self._decision)
        if self._is_composite:
            exchange.composed()
        if self.tool:
            exchange.called(self.tool)
        if self._routed is not None:
            exchange.routed(*self._routed)
        for each in self._credentials:
            exchange.presented(each)

    @property
    def takes_messages(self) -> bool:
        """See `Exchange.takes_messages`."""
        return self._current is not None and self._current.takes_messages

    def routed(self, backend: str, credentials: Credentials) -> None:
        """See `Exchange.routed`."""
        self._routed = backend, credentials
        self._latest.routed(backend, credentials)

    def composed(self) -> None:
        """See `Exchange.composed`."""
        self._is_composite = True
        self._latest.composed()

    def called(self, tool: str) -> None:
        """See `Exchange.called`."""
        self.tool = tool
        self._latest.called(tool)

    def presented(self, credentials: Credentials) -> None:
        """See `Exchange.presented`."""
        if not any(known is credentials for known in self._credentials):
            self._credentials.append(credentials)
        self._latest.presented(credentials)

    def decided(self, record: DecisionRecord) -> None:
        """See `Exchange.decided`."""
        self._decision = record
        self._latest.decided(record)

    def ran(self, event: WorkflowEvent) -> None:
        """See `Exchange.ran`; what ends between two requests is told of the one before."""
        self._latest.ran(event)

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """See `Exchange.send`."""
        said = for_later_request(message, self._token) if self._has_moved else message
        if self._current is not None and said is not None:
            await self._current.send(said, on_drop)
        elif on_drop is not None:
            on_drop()
