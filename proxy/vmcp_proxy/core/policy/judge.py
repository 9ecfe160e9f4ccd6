"""From a call to the question that a policy is asked, and from the answer to those who keep it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.auth.decision import Decision, DecisionRecord
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.policy.completions import question_about
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, Admitter, DecisionObserver, Question, judged_name
from vmcp_proxy.core.virtual import Exchange, Found, Operation, Resolved, Target
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import COMPLETION
from vmcp_proxy.protocol.params import InvalidParamsError

_WITH_ARGUMENTS: Final = frozenset({Kind.TOOL, Kind.PROMPT})


Known: TypeAlias = Callable[[Operation], Capability | None]
"""What bears the name that an operation has, whoever asks, as far as the proxy itself knows."""


class Judge:
    """Makes the questions that an `Admitter` is asked; each decision goes to the call's exchange and to the observer.

    Whoever asks does so between `asked` and `told`, for what may wait costs each call a coroutine more here.
    `known` is asked for the record alone, about names of which nothing is within the caller's reach (ADR-0044): other
    policies could be tried on such a call, so that it has to say what it was about (ADR-0042).
    """

    def __init__(self, observer: DecisionObserver, known: Known) -> None:
        self._observer: Final = observer
        self._known: Final = known

    def asked(self, identity: Identity, operation: Operation, resolved: Resolved) -> tuple[Question, Operation]:
        """What the policies are asked, and the operation with the arguments that it is about; it names something."""
        operation = prepared(operation, resolved)
        question = question_of(identity, operation, resolved)
        if question is None:
            raise ValueError(operation.method)
        return question, operation

    def told(
        self, decision: Decision, question: Question, operation: Operation, resolved: Resolved, exchange: Exchange
    ) -> Decision:
        """What the answer of the policies comes to, once everybody has heard of it."""
        if resolved is None:
            # After the policies were asked as for any other name. What nobody has told yet may be heard of by those
            # who may do this whoever it belongs to; what is not there, by nobody.
            decision = Decision(admits=False, mode=decision.mode)
            question = msgspec.structs.replace(question, capability=self._known(operation))
        exchange.decided(_record(decision, question))
        self._observer.on_decision(decision)
        return decision


def only_shown(admitter: Admitter, identity: Identity, targets: Sequence[Target]) -> Target | None:
    """Of several tools with one name of their own the one that the caller means; None where that is not clear."""
    shown = admitter.shows(identity, [target.capability for target in targets])
    admitted = [target for target, is_shown in zip(targets, shown, strict=True) if is_shown]
    return admitted[0] if len(admitted) == 1 else None


def question_of(identity: Identity, operation: Operation, resolved: Resolved | Found) -> Question | None:
    """What policies are asked about a call, with the arguments that it has; None where it names nothing."""
    kind = operation.kind
    if kind is None:
        return None
    # Nearly always: to ask whether it is of a subclass, or of none, takes ten times as long.
    if type(resolved) is Target or isinstance(resolved, Found):
        capability: Capability | None = resolved.capability
    else:
        capability = None
    if operation.method == COMPLETION:
        return question_about(identity, operation, capability)
    name = operation.name if capability is None else judged_name(capability, operation.name)
    arguments = _arguments_of(operation) if kind in _WITH_ARGUMENTS else None
    return Question(identity, ACTION_ON[kind], capability, name, arguments)


def prepared(operation: Operation, resolved: Resolved | Found) -> Operation:
    """The operation with the arguments that the backend gets (ADR-0022), once for the decision and the act."""
    if not (type(resolved) is Target or isinstance(resolved, Found)):
        return operation
    plan = resolved.capability.arguments
    if plan is None or operation.is_prepared:
        return operation
    try:
        return operation.prepared(plan)
    except InvalidParamsError:
        # Nobody will carry that out.
        return operation


def _record(decision: Decision, question: Question) -> DecisionRecord:
    action, name, capability = question.action, question.name, question.capability
    # The first few arguments of a call to come are not those of a call: nobody could judge it by them again.
    arguments = None if question.is_open else question.arguments
    if capability is None:
        return DecisionRecord(decision, action, name, arguments=arguments)
    original = None if question.action is Action.READ_RESOURCE else capability.original
    return DecisionRecord(decision, action, name, original, capability.backend, capability.annotations, arguments)


def _arguments_of(operation: Operation) -> bytes | None:
    try:
        arguments = (operation.members if operation.parsed is None else operation.parsed).get("arguments")
    except InvalidParamsError:
        return None
    return None if arguments is None else bytes(arguments)
