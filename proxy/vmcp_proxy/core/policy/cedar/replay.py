"""Other policies on calls that were written down, as far as what was written lets them be judged (ADR-0042)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
from cedarpy import pst

from vmcp_proxy.auth.decision import ALLOW, DENY, Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.policy.cedar.admitter import CedarAdmitter
from vmcp_proxy.core.policy.cedar.entities import CLAIM, CLAIM_SET, PRINCIPAL, TYPE_ON
from vmcp_proxy.core.policy.cedar.policies import Policy, without
from vmcp_proxy.core.policy.cedar.reads import ORIGINAL
from vmcp_proxy.core.policy.cedar.residuals import ANYTHING, ERROR, FALSE, HINTS, TRUE, Outcomes
from vmcp_proxy.core.policy.questions import Action, Question
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations
from vmcp_proxy.protocol.kinds import Kind

ARGUMENTS: Final = "arguments"
ANNOTATIONS: Final = "annotations"
GROUPS: Final = "groups"
ORIGINAL_NAME: Final = "the backend's own name"
LISTED: Final = "whether the URI is listed"

_KIND_OF: Final[Mapping[Action, Kind]] = MappingProxyType(
    {Action.CALL_TOOL: Kind.TOOL, Action.READ_RESOURCE: Kind.RESOURCE, Action.GET_PROMPT: Kind.PROMPT}
)
_NOT_OF_GROUPS: Final = frozenset({PRINCIPAL, "Action", "MCP", "Backend", *TYPE_ON.values()})


class RecordedCall(msgspec.Struct, frozen=True):
    """One call as it was written down.

    `claims` are the names that are known, whether or not the caller has such a claim, None where all are; `masked` are
    arguments that were left out. `has_arguments` and `has_annotations` say whether those are known. `original` is what
    the backend calls it, None where that is not known.
    """

    identity: Identity
    action: Action
    name: str
    original: str | None
    backend: str
    annotations: Annotations = NO_ANNOTATIONS
    arguments: bytes | None = None
    claims: frozenset[str] | None = frozenset()
    masked: frozenset[str] = frozenset()
    has_arguments: bool = False
    has_annotations: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What the policies say; an `outcome` of None cannot be told, for want of what `lacks` names.

    `why` says of each of the `errors` what failed.
    """

    outcome: str | None
    policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class Replay:
    """Judges recorded calls by a set of policies; what is not known may be anything.

    Raises:
        PolicyError: policies or entities cannot be used.
    """

    def __init__(self, policies: Sequence[str], *, server: str, entities: str, group_claims: Sequence[str]) -> None:
        self._config: Final[Any] = {"server": server, "entities": entities, "group_claims": group_claims}
        self._whole: Final = CedarAdmitter(policies, **self._config)
        self._policies: Final = self._whole.policies.by_key
        self._group_claims: Final = frozenset(group_claims)
        self._parts: dict[frozenset[str], CedarAdmitter] = {frozenset(): self._whole}

    @property
    def reads_arguments(self) -> bool:
        """Whether some policy does."""
        return self._whole.policies.reads.open

    async def judge(self, call: RecordedCall) -> Verdict:
        """The decision where all is known that it rests on, else what it comes to whatever the rest is.

        Of a read it is not known whether the URI was that of a listed resource.
        """
        verdict = await self._judged(call)
        if verdict.outcome == ALLOW and self._whole.doubts(call.action, call.name):
            return msgspec.structs.replace(verdict, outcome=None, lacks=(LISTED,))
        return verdict

    async def _judged(self, call: RecordedCall) -> Verdict:
        """The policies that lack nothing decide by themselves; what the others may come to is weighed against that."""
        lacking = {key: lacks for key, policy in self._policies.items() if (lacks := self._lacks(policy, call))}
        original = call.name if call.original is None else call.original
        kind = _KIND_OF[call.action]
        # Whether it was listed is for `judge`.
        capability = Capability(
            kind, call.name, call.backend, original, b"", annotations=call.annotations, is_listed=True
        )
        question = Question(call.identity, call.action, capability, call.name, call.arguments)
        decision = await self._without(frozenset(lacking)).decide(question)
        if not lacking or decision.errors or (decision.outcome == DENY and decision.policies):
            return Verdict(decision.outcome, decision.policies, decision.errors, decision.why)
        possible = self._whole.possible(call.identity, capability)
        found = possible.outcomes
        outcomes = {
            key: found[key] if lacks == {ARGUMENTS} else self._unknown(key, call) for key, lacks in lacking.items()
        }
        errors = {key: possible.why(key) for key, each in outcomes.items() if each == ERROR}
        return self._weighed(decision, outcomes, lacking, self._whole.explain_errors(errors))

    def _without(self, keys: frozenset[str]) -> CedarAdmitter:
        """The policies but for these."""
        part = self._parts.get(keys)
        if part is None:
            part = self._parts[keys] = CedarAdmitter(without(self._whole.policies, keys), **self._config)
        return part

    def _lacks(self, policy: Policy, call: RecordedCall) -> set[str]:
        """What this policy reads and nobody wrote down."""
        reads, lacks = policy.reads, set[str]()
        if call.claims is not None:
            names = {each.removeprefix(CLAIM).removeprefix(CLAIM_SET) for each in reads.attributes if _is_claim(each)}
            lacks |= {f"claim {name}" for name in names - call.claims}
            lacks |= {"all claims"} if reads.whole else set()
            asks_groups = any(kind not in _NOT_OF_GROUPS for kind, _ in reads.uids)
            lacks |= {GROUPS} if asks_groups and not self._group_claims <= call.claims else set()
        if not call.has_annotations and reads.attributes & HINTS:
            lacks.add(ANNOTATIONS)
        if call.original is None and ORIGINAL in reads.attributes:
            lacks.add(ORIGINAL_NAME)
        is_known = call.has_arguments and not (call.masked and (reads.whole or reads.may_mean(call.masked)))
        if reads.open and call.action is not Action.READ_RESOURCE and not is_known:
            lacks.add(ARGUMENTS)
        return lacks

    def _unknown(self, key: str, call: RecordedCall) -> Outcomes:
        """Anything, unless the policy is about other actions or resources."""
        return ANYTHING if _may_be_about(self._policies[key].node, call, self._whole.told_types) else FALSE

    def _weighed(
        self,
        known: Decision,
        outcomes: Mapping[str, Outcomes],
        lacking: Mapping[str, set[str]],
        errors: Mapping[str, str],
    ) -> Verdict:
        """Allowed or denied for certain, or neither; a policy that errs denies."""
        forbids = {key for key in outcomes if self._policies[key].forbids}
        denying = [key for key in forbids if outcomes[key] == TRUE]
        admits = known.outcome == ALLOW
        if errors or denying or not (admits or any(outcomes[key] & TRUE for key in outcomes.keys() - forbids)):
            return Verdict(DENY, self._ids(denying), tuple(errors), tuple(errors.values()))
        sure = [key for key in outcomes.keys() - forbids if outcomes[key] == TRUE]
        in_doubt = [key for key, found in outcomes.items() if found & ERROR or (key in forbids and found & TRUE)]
        if (admits or sure) and not in_doubt:
            return Verdict(ALLOW, (*known.policies, *self._ids(sure)))
        open_ones = [key for key, found in outcomes.items() if found not in (TRUE, FALSE)]
        lacks = sorted({each for key in open_ones for each in lacking[key]})
        return Verdict(None, self._ids(open_ones), lacks=tuple(lacks))

    def _ids(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._policies[key].id for key in keys))


def _is_claim(attribute: str) -> bool:
    return attribute.startswith((CLAIM, CLAIM_SET))


def _may_be_about(node: pst.Template, call: RecordedCall, told: Collection[str]) -> bool:
    """Whether the scope leaves room for the call; entities of `told` types may have parents that the config gives."""
    match node.action:
        case pst.ActionEq(uid) if uid.id != call.action.value:
            return False
        case pst.ActionIn(uids) if "Action" not in told and all(uid.id != call.action.value for uid in uids):
            return False
    match node.resource:
        case pst.ScopeEq(pst.EntityUid() as uid):
            return (str(uid.type), uid.id) == (TYPE_ON[call.action], call.name)
        case pst.ScopeIn(pst.EntityUid() as uid) if str(uid.type) == "Backend" and "Backend" not in told:
            return uid.id == call.backend
        case pst.ScopeIs(kind):
            return str(kind) == TYPE_ON[call.action]
    return True
