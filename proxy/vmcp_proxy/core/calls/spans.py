"""What counts requests to backends: one span for each (ADR-0019)."""

from typing import Protocol

from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Operation


class CallSpan(Protocol):
    """One request to a backend, from before it is sent until it is known how it went.

    A request that is sent again, because the backend had lost the session, is still one span.
    """

    def end(self, category: str | None, seconds: float) -> None:
        """Hears how it went, once, cancellation included; it must not raise.

        `category` is `None` for an answer (an error of MCP is one), a `Category`'s value where there is none, or
        `CANCELLED`; `seconds` are wall time.
        """

    def mark(self, category: str | None, seconds: float, trace_id: str, span_id: str) -> None:
        """Hears the span of a request that is recorded (ADR-0047), once it has ended."""


class CallObserver(Protocol):
    """Watches the calls that are sent to backends, not lists and pings; what an open circuit holds back is not sent."""

    def begin(self, member: Member, operation: Operation) -> CallSpan:
        """The span of a request that is about to be sent; it must not raise.

        It may be shared by requests: a span that needs nothing of the single request need not be made for it.
        """
