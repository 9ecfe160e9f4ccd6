"""The exchange of a call that the core makes on behalf of a call."""

from collections.abc import Callable
from typing import Final

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.core.virtual import Exchange, WorkflowEvent


class ChildExchange:
    """What a backend says during the inner call goes to the client on the outer call's stream.

    `backend` is who got the inner call and `decision` what policies said of it; the outer one names its own.
    """

    __slots__ = ("_outer", "backend", "decision")

    def __init__(self, outer: Exchange) -> None:
        self._outer: Final = outer
        self.backend = ""
        self.decision: DecisionRecord | None = None

    @property
    def takes_messages(self) -> bool:
        """See `Exchange.takes_messages`."""
        return self._outer.takes_messages

    def routed(self, backend: str, credentials: Credentials) -> None:
        """See `Exchange.routed`; what the backend repeats of it may stand in the answer of the outer call."""
        self.backend = backend
        self._outer.presented(credentials)

    def composed(self) -> None:
        """See `Exchange.composed`."""

    def called(self, tool: str) -> None:
        """See `Exchange.called`."""

    def presented(self, credentials: Credentials) -> None:
        """See `Exchange.presented`."""
        self._outer.presented(credentials)

    def decided(self, record: DecisionRecord) -> None:
        """See `Exchange.decided`."""
        self.decision = record

    def ran(self, event: WorkflowEvent) -> None:
        """See `Exchange.ran`."""
        self._outer.ran(event)

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """See `Exchange.send`."""
        await self._outer.send(message, on_drop)
