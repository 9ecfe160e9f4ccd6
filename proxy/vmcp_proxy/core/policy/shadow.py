"""Policies on trial: decisions are taken, told and counted, and change no answer."""

from collections.abc import Coroutine
from typing import Any, Final

from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Reply
from vmcp_proxy.core.policy.judge import Judge, Known
from vmcp_proxy.core.policy.questions import Admitter, DecisionObserver
from vmcp_proxy.core.virtual import Caller, Exchange, Listed, Looked, Operation, OwnNames, Resolved, Target, VirtualMCP
from vmcp_proxy.protocol.kinds import Kind


class Shadow:
    """A `VirtualMCP` that answers like the inner one."""

    def __init__(self, inner: VirtualMCP, admitter: Admitter, observer: DecisionObserver, known: Known) -> None:
        self._inner: Final = inner
        self._admitter: Final = admitter
        self._judge: Final = Judge(observer, known)

    def view(self, caller: Caller) -> Coroutine[Any, Any, Catalog]:
        """See `VirtualMCP.view`."""
        return self._inner.view(caller)

    def list(self, caller: Caller, kind: Kind) -> Coroutine[Any, Any, Listed]:
        """See `VirtualMCP.list`."""
        return self._inner.list(caller, kind)

    def resolve(self, caller: Caller, operation: Operation) -> Coroutine[Any, Any, Looked]:
        """See `VirtualMCP.resolve`."""
        return self._inner.resolve(caller, operation)

    async def perform(self, caller: Caller, operation: Operation, resolved: Resolved, exchange: Exchange) -> Reply:
        """See `VirtualMCP.perform`; the decision is on what the inner layer will act on."""
        about = resolved
        if type(resolved) is not Target and isinstance(resolved, OwnNames):
            about = resolved.targets[0] if len(resolved.targets) == 1 else None
        if operation.kind is not None:
            question, judged = self._judge.asked(caller.identity, operation, about)
            self._judge.told(await self._admitter.decide(question), question, judged, about, exchange)
        return await self._inner.perform(caller, operation, resolved, exchange)
