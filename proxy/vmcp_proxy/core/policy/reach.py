"""Which backends a caller can have anything of: the others are not asked on its behalf (ADR-0044)."""

from collections.abc import Iterable
from typing import Final

import msgspec

from vmcp_api.spec.aggregation import Aggregation
from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import ALLOW
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.owners.silence import beginning_of, may_own_for_step
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, Admitter, AllowAll, Prospect, Question, judged_name
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.protocol.kinds import Kind

_KINDS: Final = (Kind.TOOL, Kind.RESOURCE, Kind.PROMPT)
"""One for each action."""


class Errand(msgspec.Struct, frozen=True, gc=False):
    """A composite tool whose steps are not judged: who may call it reaches the backends that may have its `tools`."""

    name: str
    tools: tuple[str, ...]


class Reach:
    """What policies say of backends before these are asked; where none bind, every caller reaches all of them."""

    def __init__(self) -> None:
        self._admitter: Admitter = AllowAll()
        self._aggregation = Aggregation()
        self._errands: tuple[Errand, ...] = ()

    def configure(self, admitter: Admitter, aggregation: Aggregation, errands: tuple[Errand, ...] = ()) -> None:
        """Follows other policies, other settings of names and other composite tools."""
        self._admitter = admitter
        self._aggregation = aggregation
        self._errands = errands

    @property
    def is_bounded(self) -> bool:
        """Whether policies bind."""
        return self._admitter.mode is PolicyMode.ENFORCE

    def of(self, identity: Identity, backends: Iterable[str]) -> frozenset[str] | None:
        """Those of the backends where something could be permitted to the identity; None where policies bind nobody."""
        if not self.is_bounded:
            return None
        return frozenset(name for name in backends if self._could_any(identity, name))

    def holds(self, identity: Identity, backend: str) -> bool:
        """Whether something of the backend could be permitted to the identity."""
        return not self.is_bounded or self._could_any(identity, backend)

    def may_have(self, identity: Identity, backend: str, operation: Operation) -> bool:
        """Whether the backend may have what the operation names, as something that could be permitted."""
        kind, name = operation.kind, operation.name
        if not self.is_bounded:
            return True
        if kind is None:
            return False
        if operation.inner is not None and self._is_lent(identity, backend):
            return True
        beginning = beginning_of(self._aggregation, backend, kind)
        if kind is Kind.TEMPLATE:
            prospect = Prospect(ACTION_ON[kind], backend, name.partition("{")[0], is_beginning=True)
        elif kind is Kind.TOOL and not name.startswith(beginning):
            # A page calls the tools of its server by the server's own names: policies know them by others.
            prospect = Prospect(ACTION_ON[kind], backend, beginning, is_beginning=True)
        else:
            prospect = Prospect(ACTION_ON[kind], backend, name)
        return self._admitter.could(identity, (prospect,))

    async def reads(self, identity: Identity, resource: Capability, uri: str) -> bool:
        """Whether the identity may read this very URI of the resource or template now."""
        if not self.is_bounded:
            return True
        question = Question(identity, Action.READ_RESOURCE, resource, judged_name(resource, uri))
        return (await self._admitter.decide(question)).outcome == ALLOW

    def _could_any(self, identity: Identity, backend: str) -> bool:
        could = self._admitter.could(identity, [self._any_of(backend, kind) for kind in _KINDS])
        return could or self._is_lent(identity, backend)

    def _is_lent(self, identity: Identity, backend: str) -> bool:
        """Whether a composite tool that the identity could call goes there in its stead."""
        for errand in self._errands:
            is_needed = any(may_own_for_step(self._aggregation, backend, tool) for tool in errand.tools)
            if is_needed and self._admitter.could(identity, (Prospect(Action.CALL_TOOL, "", errand.name),)):
                return True
        return False

    def _any_of(self, backend: str, kind: Kind) -> Prospect:
        beginning = beginning_of(self._aggregation, backend, kind)
        return Prospect(ACTION_ON[kind], backend, beginning, is_beginning=True)
