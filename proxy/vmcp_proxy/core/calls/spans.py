"""What watches requests to backends: one span for each, which may send headers along (ADR-0019)."""

from typing import Final, Protocol

from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.headerforward import OutgoingHeaders

CANCELLED: Final = "cancelled"
"""Stands where a category does for a call that nobody waits for any more."""


class CallSpan(Protocol):
    """One request to a backend, from before it is sent until it is known how it went.

    A request that is sent again, because the backend had lost the session, is still one span.
    """

    @property
    def headers(self) -> OutgoingHeaders:
        """What goes with this request alone, for example `traceparent`; empty costs nothing.

        They are sent beside the caller's headers, which are encoded once for many requests.
        """

    def end(self, category: str | None, seconds: float) -> None:
        """Hears how it went, once, cancellation included; it must not raise.

        `category` is `None` for an answer (an error of MCP is one), a `Category`'s value where there is none, or
        `CANCELLED`; `seconds` are wall time.
        """


class CallObserver(Protocol):
    """Watches the calls that are sent to backends, not lists and pings; what an open circuit holds back is not sent."""

    def begin(self, member: Member, operation: Operation) -> CallSpan:
        """The span of a request that is about to be sent; it must not raise.

        It may be shared by requests: a span that needs nothing of the single request need not be made for it.
        """
