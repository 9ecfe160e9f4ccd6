"""What has been found out for callers before any call of theirs, remembered within bounds (ADR-0041)."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from cedarpy import Entities, PolicySet

from vmcp_proxy.auth.claims import are_same
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.policy.cedar.arguments import Wanted
from vmcp_proxy.core.policy.cedar.entities import Principal, Thing
from vmcp_proxy.core.policy.questions import Action, Prospect, Question
from vmcp_proxy.protocol.annotations import Annotations
from vmcp_proxy.protocol.kinds import Kind

_MOST_IDENTITIES: Final = 1024
_MOST_THINGS: Final = 512
_MOST_STANDINGS: Final = 16_384


class Standing(msgspec.Struct, frozen=True):
    """What is known of an identity and a thing before any call: the decision itself where no argument counts.

    `open` are the policies whose outcome arguments may change, `wanted` what they read of them.
    `policies` are those that may still come to something, as Cedar evaluates them.
    """

    decision: Decision | None
    open: tuple[str, ...] = ()
    wanted: Wanted | None = None
    policies: PolicySet | None = None
    entities: Entities | None = None


class Met(msgspec.Struct, frozen=True, gc=False):
    """A decision that lets in, whatever the call, to what lists have; with all that policies see beside its name."""

    action: Action
    kind: Kind
    backend: str
    original: str
    annotations: Annotations
    decision: Decision


class Subject(msgspec.Struct):
    """One identity with the claims of one token, and what has been found out for it.

    `met` is by names, the last decision on each: quicker to find than a `Thing`, which has to be made and hashed.
    `is_recent` once it was asked about since somebody had to give way.
    """

    caller: Identity
    claims: Mapping[str, Any]
    principal: Principal
    standings: dict[Thing, Standing]
    prospects: dict[Prospect, bool]
    met: dict[str, Met]
    is_recent: bool = False

    def decision_on(self, question: Question) -> Decision | None:
        """What was decided of the same, where no call of it is decided otherwise."""
        met, capability = self.met.get(question.name), question.capability
        if (
            met is None
            or capability is None
            or met.action is not question.action
            or met.kind is not capability.kind
            or met.backend != capability.backend
            or met.original != capability.original
            or (met.annotations is not capability.annotations and met.annotations != capability.annotations)
            or not capability.is_listed
            or question.is_open
        ):
            return None
        return met.decision

    def is_of(self, identity: Identity) -> bool:
        """Whether it is of an identity with the very claims of this one."""
        caller = self.caller
        return (
            self.claims is identity.claims
            and caller.subject == identity.subject
            and caller.issuer == identity.issuer
            and caller.has_authorization is identity.has_authorization
        )


class Subjects:
    """The callers that were asked about lately; `principal_of` says what policies know of one.

    Who gives way is whoever came longest ago and was not asked about since somebody last had to (CLOCK). Nothing of it
    outlives the policies, and no token is in it.
    """

    def __init__(self, principal_of: Callable[[Identity], Principal]) -> None:
        self._principal_of: Final = principal_of
        self._subjects: Final[OrderedDict[Identity, Subject]] = OrderedDict()
        # By the address of claims, which are one object for a token: a subject holds them, so that it is no other's.
        self._by_claims: Final[dict[int, Subject]] = {}
        self._kept = 0

    def of(self, identity: Identity) -> Subject:
        """What is remembered for an identity and just these claims; nothing yet where they are new."""
        subject = self._by_claims.get(id(identity.claims))
        if subject is None or not subject.is_of(identity):
            subject = self._found(identity)
        subject.is_recent = True
        return subject

    def _found(self, identity: Identity) -> Subject:
        kept = self._subjects.get(identity)
        if kept is not None:
            if are_same(kept.claims, identity.claims):
                return kept
            self._forget(kept)
        # The caller alone: what is kept beyond the session must not keep its token.
        caller = identity.caller
        subject = Subject(caller, identity.claims, self._principal_of(identity), {}, {}, {})
        while len(self._subjects) >= _MOST_IDENTITIES:
            oldest = next(iter(self._subjects.values()))
            if oldest.is_recent:
                oldest.is_recent = False
                self._subjects.move_to_end(oldest.caller)
            else:
                self._forget(oldest)
        self._subjects[caller] = subject
        self._by_claims[id(subject.claims)] = subject
        return subject

    def _forget(self, subject: Subject) -> None:
        del self._subjects[subject.caller]
        self._by_claims.pop(id(subject.claims), None)
        self._kept -= len(subject.standings) + len(subject.met)

    def keep(self, subject: Subject, thing: Thing, standing: Standing) -> None:
        """Remembers it, within bounds: names are the caller's to choose where policies read them."""
        self._make_room(subject.standings)
        subject.standings[thing] = standing
        self._kept += 1

    def keep_decision(self, subject: Subject, question: Question, decision: Decision) -> None:
        """Remembers a decision that no call of what it was about changes, within the same bounds."""
        capability, name = question.capability, question.name
        if capability is None:
            return
        if subject.met.pop(name, None) is not None:
            self._kept -= 1
        self._make_room(subject.met)
        subject.met[name] = Met(
            question.action,
            capability.kind,
            capability.backend,
            capability.original,
            capability.annotations,
            decision,
        )
        self._kept += 1

    def _make_room(self, held: dict[Any, Any]) -> None:
        if len(held) >= _MOST_THINGS:
            self._kept -= len(held)
            held.clear()
        if self._kept >= _MOST_STANDINGS:
            self._kept = 0
            for each in self._subjects.values():
                each.standings.clear()
                each.met.clear()


def keep_prospect(subject: Subject, prospect: Prospect, could: Callable[[], bool]) -> bool:
    """What a prospect of a caller comes to, found out once."""
    kept = subject.prospects.get(prospect)
    if kept is None:
        if len(subject.prospects) >= _MOST_THINGS:
            subject.prospects.clear()
        kept = subject.prospects[prospect] = could()
    return kept
