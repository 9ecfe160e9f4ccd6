"""Composite tools explained: by their own name, and by the tools of their steps (ADR-0051)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import msgspec

from vmcp_api.spec.authorization import PolicyMode
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.admission_step import Admitted
from vmcp_proxy.core.explain.explanation import Chain, Stage, Step, Verdict, conclude
from vmcp_proxy.core.policy.questions import Admitter

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

    def look_up(self, catalog: Catalog, name: str) -> CompositeView | None:
        """The one of this name; None where there is none, or where a tool of a backend has the name."""


def chain_of(
    view: CompositeView, name: str, group: Sequence[Step], admitted: Admitted | None, limit: Step, steps: Sequence[Step]
) -> Chain:
    """The chain of a composite tool; `steps` are those about the tools that it calls."""
    before = (*group, _named(view, name), *steps)
    asked = () if admitted is None else (admitted.step,)
    every = (*before, *asked, limit)
    is_shown = admitted is not None and admitted.shown
    enforced = None if admitted is None else admitted.enforced
    return Chain(
        backend="",
        original=name,
        exposed=name,
        conclusion=conclude(every),
        listed=is_shown and not any(step.verdict is Verdict.STOP for step in before),
        steps=every,
        enforced=None if enforced is None else conclude((*before, enforced, limit)),
    )


def steps_within_reach(view: CompositeView, admitter: Admitter, identity: Identity) -> Iterator[Step]:
    """Whether its steps can call their tools, and whether the caller may."""
    if view.missing:
        names = ", ".join(map(repr, view.missing))
        reason = f"its steps call {names}, which no backend serves now; it is not listed, and a call ends at that step"
        yield Step(stage=Stage.STEPS, verdict=Verdict.STOP, reason=reason, change=_REACH)
    if not view.authorizes_steps:
        reason = "policies are not asked about its steps (authorizeSteps: false)"
        yield Step(stage=Stage.STEPS, verdict=Verdict.PASS, reason=reason)
        return
    known = [(name, tool) for name, tool in view.tools if tool is not None]
    shown = admitter.shows(identity, [tool for _, tool in known])
    refused = [name for (name, _), is_shown in zip(known, shown, strict=True) if not is_shown]
    if refused and admitter.mode is PolicyMode.ENFORCE:
        reason = f"no policy permits the caller a call of {', '.join(map(repr, refused))}, which its steps make"
        change = "permit it by a policy, or set authorizeSteps: false"
        yield Step(stage=Stage.ADMISSION, verdict=Verdict.STOP, reason=reason, change=change)
    elif not view.missing:
        yield Step(stage=Stage.STEPS, verdict=Verdict.PASS, reason="the tools of its steps can be called")


def _named(view: CompositeView, name: str) -> Step:
    if view.withheld:
        return Step(stage=Stage.CONFLICT, verdict=Verdict.STOP, reason=view.withheld, change="mend its definition")
    reason = f"{name!r} is a composite tool of {len(view.tools)} tools"
    return Step(stage=Stage.CONFLICT, verdict=Verdict.PASS, reason=reason)
