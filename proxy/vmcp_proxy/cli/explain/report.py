"""An explanation for people: the steps in their order, and what would change them."""

from collections.abc import Iterator
from typing import Final

from vmcp_proxy.cli.output import clean
from vmcp_proxy.core.explain.explanation import Chain, Explanation, Step, Verdict

_SHOWN: Final = {Verdict.PASS: "pass", Verdict.STOP: "STOP", Verdict.DEPENDS: "DEPENDS"}
_INDENT: Final = " " * 23


def describe(explanation: Explanation) -> Iterator[str]:
    """The lines."""
    who = explanation.subject or "an anonymous caller"
    listed = "listed" if explanation.listed else "not listed"
    trial = f"; mode Shadow, in Enforce: {explanation.enforced}" if explanation.enforced else ""
    yield clean(f"{explanation.kind} {explanation.name} for {who}: {explanation.conclusion}, {listed}{trial}")
    for chain in explanation.chains:
        yield ""
        yield from _describe(chain)
    if explanation.notes:
        yield ""
    yield from (clean(f"note: {note}") for note in explanation.notes)


def _describe(chain: Chain) -> Iterator[str]:
    what = f"{chain.original} of " if chain.original else ""
    owner = f"{what}backend {chain.backend}" if chain.backend else "composite tool"
    yield clean(f"{chain.exposed} ({owner}): {chain.conclusion}")
    for step in chain.steps:
        yield from _lines(step)


def _lines(step: Step) -> Iterator[str]:
    yield clean(f"  {_SHOWN[step.verdict]:<8} {step.stage:<11} {step.reason}")
    if step.change:
        yield clean(f"{_INDENT}to change it: {step.change}")
