"""What the core says of a request while it serves it, noted for audit and telemetry."""

from typing import Final

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.core.virtual import WorkflowEvent
from vmcp_proxy.serve.chain.header_rules import accepts
from vmcp_proxy.serve.context import EVENT_STREAM, RequestContext


class ContextExchange:
    """The part of an `Exchange` that is the same in both eras; how messages get to the client is not."""

    __slots__ = ("_context", "_is_answered")

    def __init__(self, context: RequestContext) -> None:
        self._context: Final = context
        self._is_answered = False
        """Whether the answer is given, though it may wait for room: no stream begins any more."""

    @property
    def takes_messages(self) -> bool:
        """See `Exchange.takes_messages`."""
        return accepts(self._context.header(b"accept"), EVENT_STREAM)

    def routed(self, backend: str, credentials: Credentials) -> None:
        """See `Exchange.routed`."""
        self._context.backend = backend
        self.presented(credentials)

    def composed(self) -> None:
        """See `Exchange.composed`."""
        self._context.is_composite = True

    def called(self, tool: str) -> None:
        """See `Exchange.called`."""
        self._context.called = tool

    def presented(self, credentials: Credentials) -> None:
        """See `Exchange.presented`; one caller has the same for all calls of a backend."""
        context = self._context
        if not context.credentials:
            context.credentials = (credentials,)
        elif not any(known is credentials for known in context.credentials):
            context.credentials += (credentials,)

    def decided(self, record: DecisionRecord) -> None:
        """See `Exchange.decided`."""
        self._context.decision = record

    def ran(self, event: WorkflowEvent) -> None:
        """See `Exchange.ran`."""
        if (on_workflow := self._context.on_workflow) is not None:
            on_workflow(self._context, event)
