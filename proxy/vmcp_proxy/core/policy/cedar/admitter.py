"""The `Admitter` that decides by Cedar: one set of policies, one decision for lists and calls (ADR-0041)."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec
from cedarpy import Entities, PolicySet

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import ALLOW, Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.uri_template import LONGEST_NAME, expand_all
from vmcp_proxy.core.policy.cedar.arguments import (
    NO_ARGUMENTS,
    Arguments,
    attributes_of,
    read_arguments,
    wanted_by,
)
from vmcp_proxy.core.policy.cedar.entities import TYPE_ON, Principal, Thing, World
from vmcp_proxy.core.policy.cedar.evaluation import NO_ERRORS, evaluate
from vmcp_proxy.core.policy.cedar.failures import OVERLONG, ambiguous, unholdable
from vmcp_proxy.core.policy.cedar.hierarchy import opened_by
from vmcp_proxy.core.policy.cedar.policies import Policies, handle_of, read_policies
from vmcp_proxy.core.policy.cedar.residuals import (
    ERROR,
    FALSE,
    OF_BACKENDS,
    OF_CALLS,
    OF_NAMES,
    OF_TEMPLATES,
    TRUE,
    Possible,
    Residuals,
    Seen,
    Told,
    Unknown,
    build_residuals,
)
from vmcp_proxy.core.policy.cedar.standings import Standing, Subject, Subjects, keep_prospect
from vmcp_proxy.core.policy.cedar.uris import find_ambiguity
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, Prospect, Question, judged_name, original_name
from vmcp_proxy.protocol.kinds import Kind

_MOST_PARTS: Final = 512
_SOME: Final = "x"  # stands for what is not known of a URI
_ANY_NAME: Final = ""
"""Stands for the names that no policy tells apart."""

_DECIDED: Final = (TRUE, FALSE, ERROR)


class _Vague(msgspec.Struct, frozen=True):
    """What is not known of a request, and what is known nonetheless of a name that is not: see `Seen`."""

    residuals: Residuals
    text: str = ""
    is_beginning: bool = False
    given: Arguments = NO_ARGUMENTS


class CedarAdmitter:
    """Decides by policies; `server` is the name of the vMCP, `entities` a list in Cedar's JSON.

    Raises:
        PolicyError: policies or entities cannot be used.
    """

    def __init__(
        self,
        policies: Sequence[str] | Policies,
        *,
        server: str,
        entities: str = "[]",
        group_claims: Sequence[str] = (),
        mode: PolicyMode = PolicyMode.ENFORCE,
    ) -> None:
        self.mode: Final = mode
        texts = tuple(policies.by_key) if isinstance(policies, Policies) else tuple(policies)
        said = msgspec.msgpack.encode((mode, texts, server, entities, tuple(group_claims)))
        self.version: Final = blake2b(said, digest_size=16).hexdigest()
        self.policies: Final = policies if isinstance(policies, Policies) else read_policies(policies)
        self._world: Final = World(entities, server, group_claims, opened_by(self.policies.nodes))
        # All at once: what is nested too deeply for one of them is found out here.
        self._calls: Final = _Vague(self._residuals(OF_CALLS))
        self._templates: Final = self._residuals(OF_TEMPLATES, Action.READ_RESOURCE)
        self._of_names: Final = _Vague(self._residuals(OF_NAMES))
        self._of_backends: Final = self._residuals(OF_BACKENDS, *Action)
        self._named: Final = self.policies.reads.uids | self._world.uids
        self._unnamed: Final = _unlike(name for _, name in self._named)
        # Nothing may stand for many where a policy or an entity means what stands for them.
        self._told_apart: Final = frozenset(
            action for action, kind in TYPE_ON.items() if self.policies.reads.names or (kind, _ANY_NAME) in self._named
        )
        self._compares_uris: Final = any(kind == TYPE_ON[Action.READ_RESOURCE] for kind, _ in self._named) or any(
            policy.reads.names and policy.may_be_about_reads for policy in self.policies.by_key.values()
        )
        self._wanted: Final = wanted_by([self.policies.reads])
        self._given: Final[dict[frozenset[str], Residuals]] = {}
        self._parts: Final[dict[tuple[str, ...], PolicySet]] = {}
        self._subjects: Final = Subjects(lambda identity: self._world.principal(identity, self.policies.reads))

    @property
    def ids(self) -> Sequence[str]:
        """The ids of all policies, in their order."""
        return [policy.id for policy in self.policies.by_key.values()]

    @property
    def told_types(self) -> frozenset[str]:
        """The types of the entities that the config tells of."""
        return frozenset(kind for kind, _ in self._world.uids)

    async def decide(self, question: Question) -> Decision:
        """See `Admitter.decide`; nobody looks into a name that no list can hold."""
        subject = self._subjects.of(question.identity)
        if (met := subject.decision_on(question)) is not None:
            return met
        if len(question.name) > LONGEST_NAME:
            return Decision(admits=False, mode=self.mode, flaw=OVERLONG)
        return self._decided(subject, question)

    def doubts(self, action: Action, uri: str) -> str:
        """What keeps policies that compare URIs from telling what this one means, unless a resource is listed by it."""
        return find_ambiguity(uri) if self._compares_uris and action is Action.READ_RESOURCE else ""

    def shows(self, identity: Identity, capabilities: Sequence[Capability]) -> Sequence[bool]:
        """See `Admitter.shows`; it fills no memory of decisions, so that a list does not quicken what it hides."""
        principal = self._subjects.of(identity).principal
        shown: dict[tuple[Thing, str], bool] = {}
        answers = []
        for capability in capabilities:
            thing, template = self._listed(capability)
            if (thing, template) not in shown:
                shown[thing, template] = self._possible(principal, thing, self._listing(template)).admits
            answers.append(shown[thing, template])
        return answers

    def could(self, identity: Identity, prospects: Sequence[Prospect]) -> bool:
        """See `Admitter.could`; remembered for a backend, not for names that callers choose."""
        subject = self._subjects.of(identity)
        return any(self._could(subject, each) for each in prospects)

    def possible(self, identity: Identity, capability: Capability) -> Possible:
        """What each policy may come to on some call or expansion."""
        thing, template = self._listed(capability)
        return self._look(self._subjects.of(identity).principal, thing, self._listing(template))

    def _decided(self, subject: Subject, question: Question) -> Decision:
        capability, name = question.capability, question.name
        thing = self._thing(question.action, capability, name)
        template = capability if capability is not None and capability.kind is Kind.TEMPLATE else None
        is_whole = template is not None and (question.is_open or name == template.exposed)
        # Whoever expands a template, or reads what no list has, has chosen how the URI is spelt.
        is_chosen = template is not None or capability is None or not capability.is_listed
        if is_chosen and (flaw := self.doubts(question.action, expand_all(name, _SOME) if is_whole else name)):
            return Decision(admits=False, mode=self.mode, flaw=flaw)
        if is_whole:
            return self._possible(subject.principal, thing, _Vague(self._templates, name))
        if question.is_open:
            return self._begun(subject.principal, thing, question.arguments)
        standing = subject.standings.get(thing)
        if standing is None:
            standing = self._standing(subject.principal, thing)
            self._subjects.keep(subject, thing, standing)
        if standing.decision is not None:
            # What is denied must not be told sooner than what nothing bears.
            if not is_chosen and standing.decision.outcome == ALLOW:
                self._subjects.keep_decision(subject, question, standing.decision)
            return standing.decision
        return self._judged(subject.principal, thing, standing, question.arguments)

    def _residuals(self, unknown: Unknown, *actions: Action) -> Residuals:
        told = Told(self._world.attributes(*actions), self._world.parents)
        return build_residuals(self.policies.by_key.values(), unknown, told)

    def _listed(self, capability: Capability) -> tuple[Thing, str]:
        """What a list asks of it: about itself, or about the expansions of a template."""
        name = judged_name(capability, capability.exposed)
        thing = self._thing(ACTION_ON[capability.kind], capability, name)
        return thing, name if capability.kind is Kind.TEMPLATE else ""

    def _listing(self, template: str) -> _Vague:
        return _Vague(self._templates, template) if template else self._calls

    def _thing(self, action: Action, capability: Capability | None, name: str) -> Thing:
        """What policies can see of it: those that look alike to them are one, as most do whose name no policy reads."""
        counts = self._counts(action, name)
        if not counts:
            name = _ANY_NAME
        if capability is None:
            return Thing(action, name, name, None)
        original = original_name(capability, name) if counts else _ANY_NAME
        return Thing(action, name, original, capability.backend or None, capability.annotations)

    def _counts(self, action: Action, name: str) -> bool:
        return action in self._told_apart or (TYPE_ON[action], name) in self._named

    def _could(self, subject: Subject, prospect: Prospect) -> bool:
        action, backend, name = prospect.action, prospect.backend, prospect.name
        if prospect.is_beginning:
            vague, known = _Vague(self._of_backends, name, is_beginning=True), self._unnamed
        else:
            vague, known = self._of_names, name
            if self._counts(action, name):
                return self._possible(subject.principal, Thing(action, name, name, backend or None), vague).admits
            prospect = Prospect(action, backend, _ANY_NAME)
        thing = Thing(action, known, known, backend or None)
        return keep_prospect(subject, prospect, lambda: self._possible(subject.principal, thing, vague).admits)

    def _is_open(self, thing: Thing) -> bool:
        """Whether arguments may count: nothing that is read by URI has any."""
        return self.policies.reads.open and thing.action is not Action.READ_RESOURCE

    def _standing(self, principal: Principal, thing: Thing) -> Standing:
        entities = self._world.entities(principal, thing)
        outcomes = self._look(principal, thing, self._calls).outcomes if self._is_open(thing) else {}
        undecided = tuple(key for key, found in outcomes.items() if found not in _DECIDED)
        if not undecided or principal.ill:
            return Standing(self._asked(principal, thing, entities))
        wanted = wanted_by(self.policies.by_key[key].reads for key in undecided)
        relevant = tuple(key for key, found in outcomes.items() if found != FALSE)
        return Standing(None, undecided, wanted, self._only(relevant), entities)

    def _only(self, keys: tuple[str, ...]) -> PolicySet:
        """Some of the policies: what cannot hold for a thing need not be evaluated on each call of it."""
        found = self._parts.get(keys)
        if found is None:
            if len(self._parts) >= _MOST_PARTS:
                return self.policies.handle
            found = self._parts[keys] = handle_of([self.policies.by_key[key].node for key in keys])
        return found

    def _judged(self, principal: Principal, thing: Thing, standing: Standing, raw: bytes | None) -> Decision:
        """The decision on one call whose arguments count."""
        if standing.wanted is None or standing.entities is None:
            return self._decision(admits=False)
        arguments = read_arguments(raw, standing.wanted)
        failed = {key: why for key in standing.open if (why := self._cannot_judge(key, arguments))}
        if failed:
            return self._decision(admits=False, errors=failed)
        return self._asked(principal, thing, standing.entities, arguments, standing.policies)

    def _begun(self, principal: Principal, thing: Thing, raw: bytes | None) -> Decision:
        """Whether some call could be admitted that has these arguments, and others that are not known."""
        if raw is None or not self._is_open(thing):
            return self._possible(principal, thing, self._calls)
        arguments = read_arguments(raw, self._wanted)
        reading = (key for key, policy in self.policies.by_key.items() if policy.reads.open)
        failed = {key: why for key in reading if (why := self._cannot_judge(key, arguments))}
        if failed:
            return self._decision(admits=False, errors=failed)
        given = self.policies.reads.arguments & attributes_of(raw)
        residuals = self._given.get(given)
        if residuals is None:
            residuals = self._residuals(Unknown(arguments=True, given=given))
            if len(self._given) < _MOST_PARTS:
                self._given[given] = residuals
        return self._possible(principal, thing, _Vague(residuals, given=arguments))

    def _cannot_judge(self, key: str, arguments: Arguments) -> str:
        """Why a policy cannot be asked with these arguments; empty where it can."""
        reads = self.policies.by_key[key].reads
        if arguments.flaw:
            return arguments.flaw
        ill = reads.arguments & arguments.ill
        # Of a policy that reads them all, those that it does not name are the caller's own words.
        return ambiguous(ill or ("an argument",)) if ill or (reads.whole and arguments.ill) else ""

    def _asked(
        self,
        principal: Principal,
        thing: Thing,
        entities: Entities,
        arguments: Arguments = NO_ARGUMENTS,
        policies: PolicySet | None = None,
    ) -> Decision:
        """What Cedar says; whatever it cannot say is an error, and denies."""
        failed = self._misled_by(principal)
        if failed:
            return self._decision(admits=False, errors=failed)
        context = {**principal.claims, **arguments.held}
        admits, reasons, errors = evaluate(policies or self.policies.handle, principal, thing, entities, context)
        return self._decision(admits=admits and not errors, policies=reasons, errors=errors)

    def _misled_by(self, principal: Principal) -> dict[str, str]:
        """The policies that read a claim of the caller that Cedar cannot hold, with why they fail."""
        ill = principal.ill
        if not ill:
            return {}
        found = ((key, each.reads) for key, each in self.policies.by_key.items())
        return {
            key: unholdable(reads.attributes & ill or ("a claim",))
            for key, reads in found
            if reads.whole or reads.attributes & ill
        }

    def _possible(self, principal: Principal, thing: Thing, vague: _Vague) -> Decision:
        """Whether some call could be admitted, with the policies that let it, or that stand in the way of all."""
        if vague is self._calls and not self._is_open(thing):
            return self._asked(principal, thing, self._world.entities(principal, thing))
        failed = self._misled_by(principal)
        possible = self._look(principal, thing, vague)
        outcomes = possible.outcomes
        failed |= {key: possible.why(key) for key, found in outcomes.items() if found == ERROR}
        if failed:
            return self._decision(admits=False, errors=failed)
        policies = self.policies.by_key
        forbids = [key for key, found in outcomes.items() if policies[key].forbids and not found & FALSE]
        permits = [key for key, found in outcomes.items() if not policies[key].forbids and found & TRUE]
        return self._decision(admits=bool(permits) and not forbids, policies=forbids or permits)

    def _look(self, principal: Principal, thing: Thing, vague: _Vague) -> Possible:
        entities, residuals = self._world.entities(principal, thing), vague.residuals
        context = {**principal.claims, **vague.given.held}
        _, holds, errs = evaluate(residuals.probes, principal, thing, entities, context)
        return Possible(residuals, Seen(frozenset(holds), errs, vague.text, vague.is_beginning))

    def _decision(
        self, *, admits: bool, policies: Iterable[str] = (), errors: Mapping[str, str] = NO_ERRORS
    ) -> Decision:
        if not errors:
            return Decision(admits, self._told(policies), mode=self.mode)
        failed = self.explain_errors(errors)
        return Decision(admits, self._told(policies), tuple(failed), self.mode, tuple(failed.values()))

    def explain_errors(self, errors: Mapping[str, str]) -> dict[str, str]:
        """Why policies failed, by the ids that people know them by; of several of one id the first."""
        failed: dict[str, str] = {}
        for key in (*(each for each in self.policies.by_key if each in errors), *sorted(errors)):
            known_by = self.policies.by_key[key].id if key in self.policies.by_key else key
            failed.setdefault(known_by, errors[key])
        return failed

    def _told(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Ids as people know them, in the order of the policies."""
        found = set(keys)
        if not found:
            return ()
        told = [policy.id for key, policy in self.policies.by_key.items() if key in found]
        return (*dict.fromkeys(told), *sorted(found - self.policies.by_key.keys()))


def _unlike(names: Iterable[str]) -> str:
    """A name that is none of these: it stands for one that is not known."""
    return "?" * (1 + max(map(len, names), default=0))
