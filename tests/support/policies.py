"""Policies that decide by the name alone, as most tests want them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, Prospect, Question, judged_name


class Heard:
    """A `DecisionObserver` that remembers."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def on_decision(self, decision: Decision) -> None:
        self.decisions.append(decision)


class NamePolicy(ABC):
    """An `Admitter` by one function of who, what and which name; calls and lists follow it alike."""

    mode = PolicyMode.ENFORCE
    version = "1"

    @abstractmethod
    def admits(self, identity: Identity, action: Action, capability: Capability | None, name: str) -> bool:
        """Whether the identity may; of a template by its own name: whether it may for any expansion."""

    async def decide(self, question: Question) -> Decision:
        return Decision(self.admits(question.identity, question.action, question.capability, question.name))

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        return [
            self.admits(identity, ACTION_ON[each.kind], each, judged_name(each, each.exposed)) for each in capabilities
        ]

    def could(self, identity: Identity, prospects: Sequence[Prospect]) -> bool:
        return True
