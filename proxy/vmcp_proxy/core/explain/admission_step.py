"""The step of the policies in words: what they were asked, and what they answered."""

from itertools import zip_longest
from typing import Final

import msgspec

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.decision import ALLOW, Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.explain.explanation import Stage, Step, Verdict
from vmcp_proxy.core.policy.questions import Action, Admitter, Question

_PERMIT: Final = "permit it by a policy"
_NO_POLICIES: Final = "there are no policies: everybody is admitted"


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """The step, and whether a list would show the capability that the question is about.

    `enforced` is the step as it would be in mode Enforce, where the policies are on trial.
    """

    step: Step
    shown: bool
    enforced: Step | None = None


async def ask_policies(admitter: Admitter, question: Question, *, has_arguments: bool) -> Admitted:
    """What the policies say of one call, and of the list; without arguments they may not say either."""
    if admitter.mode is None:
        return Admitted(_step(Verdict.PASS, _NO_POLICIES), shown=True)
    found = await _ask(admitter, question, has_arguments=has_arguments)
    return found if admitter.mode is PolicyMode.ENFORCE else _on_trial(found.step)


def ask_about_template(admitter: Admitter, identity: Identity, template: Capability) -> Admitted:
    """What the policies say of the template in lists: each read is decided on its own URI."""
    if admitter.mode is None:
        return Admitted(_step(Verdict.PASS, _NO_POLICIES), shown=True)
    shown = admitter.shows(identity, [template])[0]
    if shown:
        reason = f"the policies can admit reads by {template.exposed!r}; each is decided on its URI"
        step = _step(Verdict.DEPENDS, reason, "ask about a URI")
    else:
        step = _step(Verdict.STOP, f"no policy permits a read by {template.exposed!r} to {_name(identity)}", _PERMIT)
    return Admitted(step, shown) if admitter.mode is PolicyMode.ENFORCE else _on_trial(step)


def _on_trial(step: Step) -> Admitted:
    reason = f"{step.reason}; in mode {PolicyMode.SHADOW} nothing follows from it"
    followed = msgspec.structs.replace(step, verdict=Verdict.PASS, reason=reason, change="")
    return Admitted(followed, shown=True, enforced=step)


async def _ask(admitter: Admitter, question: Question, *, has_arguments: bool) -> Admitted:
    shown = question.capability is not None and admitter.shows(question.identity, [question.capability])[0]
    decision = await admitter.decide(question)
    if decision.outcome == ALLOW:
        reason = f"{_policies(decision)} permits {_asked(question)}"
        return Admitted(_step(Verdict.PASS, reason, decision=decision), shown)
    if shown and not has_arguments and question.action is not Action.READ_RESOURCE:
        some = await admitter.decide(msgspec.structs.replace(question, is_open=True))
        reason = f"{_policies(some)} can admit a call of {question.name!r}, but none without arguments"
        return Admitted(_step(Verdict.DEPENDS, reason, "say which arguments (--arguments)", some), shown)
    return Admitted(_denied(question, decision), shown)


def _denied(question: Question, decision: Decision) -> Step:
    who = _name(question.identity)
    if decision.flaw:
        reason = (
            f"no policy can tell what {question.name!r} means: it holds {decision.flaw}, and a backend may take it for"
            " another URI"
        )
        return _step(Verdict.STOP, reason, "ask for it as the backend lists it, or without that", decision)
    if decision.errors:
        failed = "; ".join(_failure(*each) for each in zip_longest(decision.errors, decision.why, fillvalue=""))
        reason = f"policy {failed}, and whatever fails denies"
        return _step(Verdict.STOP, reason, "mend that policy", decision)
    if decision.policies:
        reason = f"policy {_list(decision.policies)} forbids {_asked(question)} to {who}"
        return _step(Verdict.STOP, reason, "change that policy: a permit does not help against a forbid", decision)
    return _step(Verdict.STOP, f"no policy permits {_asked(question)} to {who}", _PERMIT, decision)


def _policies(decision: Decision) -> str:
    return f"policy {_list(decision.policies)}" if decision.policies else "the policy"


def _failure(policy: str, why: str) -> str:
    return f"{policy} failed ({why})" if why else f"{policy} failed"


def _list(ids: tuple[str, ...]) -> str:
    return ", ".join(ids)


def _asked(question: Question) -> str:
    return f"{question.action} {question.name!r}"


def _name(identity: Identity) -> str:
    return "an anonymous caller" if identity.is_anonymous else repr(identity.subject)


def _step(verdict: Verdict, reason: str, change: str = "", decision: Decision | None = None) -> Step:
    return Step(
        stage=Stage.ADMISSION,
        verdict=verdict,
        reason=reason,
        change=change,
        policies=decision.policies if decision is not None else (),
        errors=decision.errors if decision is not None else (),
    )
