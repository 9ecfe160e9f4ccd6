"""Composite tools explained: by their own name, and by the tools of their steps (ADR-0051)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.admission_step import Admitted, ask_policies
from vmcp_proxy.core.explain.explanation import Chain, Stage, Step, Verdict, conclude
from vmcp_proxy.core.policy.judge import prepared, question_of
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.core.virtual import Found, Operation
from vmcp_proxy.protocol.kinds import Kind

_REACH = "see why by that tool's own name, or name another one in the step"


class CompositeView(msgspec.Struct, frozen=True, gc=False):
    """A composite tool beside the tools of a catalog; `withheld` says why it is not served, empty where it is.

    `tools` are those of its steps as these name them, with what is known of each; `missing` of them cannot be called
    now. `capability` is None where nothing is known of what clients would see.
    """

    capability: Capability | None
    tools: tuple[tuple[str, Capability | None], ...] = ()
    missing: tuple[str, ...] = ()
    authorizes_steps: bool = True
    withheld: str = ""


class Composites(Protocol):
    """The composite tools that are configured now."""

    @property
    def names(self) -> Collection[str]:
        """All of them."""

    def look_up(self, catalog: Catalog, shared: Catalog, name: str) -> CompositeView | None:
        """The one of this name beside a catalog; None where there is none, or where in `shared` a tool has the name."""


async def refusals_of_steps(view: CompositeView, admitter: Admitter, identity: Identity) -> tuple[Admitted, ...]:
    """What the policies say of the tools of its steps that they admit the identity to no call of."""
    if not view.authorizes_steps or admitter.mode is None:
        return ()
    known = [(name, tool) for name, tool in view.tools if tool is not None]
    shown = admitter.shows(identity, [tool for _, tool in known])
    refused = [each for each, is_shown in zip(known, shown, strict=True) if not is_shown]
    return tuple([await _refusal(admitter, identity, name, tool) for name, tool in refused])


async def _refusal(admitter: Admitter, identity: Identity, name: str, tool: Capability) -> Admitted:
    """The words of the tool's own explanation, under the name that the step has for it."""
    operation = Operation("tools/call", Kind.TOOL, tool.exposed, parsed={})
    found = Found(tool)
    question = question_of(identity, prepared(operation, found), found)
    assert question is not None  # noqa: S101 - there is one for each tool
    asked = await ask_policies(admitter, question, has_arguments=False)
    enforced = None if asked.enforced is None else _about(name, asked.enforced)
    return Admitted(_about(name, asked.step), asked.shown, enforced)


def _about(name: str, step: Step) -> Step:
    change = f"{step.change}, or set authorizeSteps: false" if step.change else ""
    return msgspec.structs.replace(step, reason=f"its steps call {name!r}: {step.reason}", change=change)


def chain_of(
    view: CompositeView,
    name: str,
    group: Sequence[Step],
    admitted: Admitted | None,
    limit: Step,
    refusals: Sequence[Admitted],
) -> Chain:
    """The chain of a composite tool; `refusals` are those of the tools that its steps call."""
    before = (*group, _named(view, name), *_within_reach(view))
    asked = (*refusals, *(() if admitted is None else (admitted,)))
    every = (*before, *(each.step for each in asked), limit)
    stops = any(step.verdict is Verdict.STOP for step in (*before, *(each.step for each in refusals)))
    on_trial = [each.enforced for each in asked if each.enforced is not None]
    return Chain(
        backend="",
        original=name,
        exposed=name,
        conclusion=conclude(every),
        listed=admitted is not None and admitted.shown and not stops,
        steps=every,
        enforced=conclude((*before, *on_trial, limit)) if on_trial else None,
    )


def _within_reach(view: CompositeView) -> Iterator[Step]:
    """Whether its steps can call their tools."""
    if view.missing:
        names = ", ".join(map(repr, view.missing))
        reason = f"its steps call {names}, which no backend serves now; it is not listed, and a call ends at that step"
        yield Step(stage=Stage.STEPS, verdict=Verdict.STOP, reason=reason, change=_REACH)
    else:
        yield Step(stage=Stage.STEPS, verdict=Verdict.PASS, reason="the tools of its steps are served")
    if not view.authorizes_steps:
        reason = "policies are not asked about its steps (authorizeSteps: false)"
        yield Step(stage=Stage.STEPS, verdict=Verdict.PASS, reason=reason)


def _named(view: CompositeView, name: str) -> Step:
    if view.withheld:
        return Step(stage=Stage.CONFLICT, verdict=Verdict.STOP, reason=view.withheld, change="mend its definition")
    count = len(view.tools)
    reason = f"{name!r} is a composite tool of {count} tool{'' if count == 1 else 's'}"
    return Step(stage=Stage.CONFLICT, verdict=Verdict.PASS, reason=reason)
