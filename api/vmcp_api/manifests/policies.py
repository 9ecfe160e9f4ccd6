"""Whether policies can be decided by, as a resource or a ConfigMap says them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.text.cedar_names import CedarDoubt, Names
from vmcp_api.text.cedar_text import CedarFlaw, find_entities_flaw, find_policy_flaw

_REMEMBERED: Final = 32
"""Sets of policies whose doubts are known: an operator asks each time that anything of an endpoint changes."""


def check_policies(policies: Sequence[str], loc: Loc) -> Problems:
    """What is wrong with Cedar policies, each by its place in the list and its line; ``loc`` is that of the list."""
    flaws = ((index, find_policy_flaw(text)) for index, text in enumerate(policies))
    return Problems(tuple(_problem(flaw, (*loc, index)) for index, flaw in flaws if flaw))


def doubt_policies(policies: Sequence[str], entities: str, loc: Loc, names: Names) -> Problems:
    """Warnings about what policies name and nothing has, where there is nothing wrong with the policies themselves."""
    doubts = _doubts(tuple(policies), entities, names)
    return Problems(tuple(Problem(each.message, each.remedy, (*loc, each.text)) for each in doubts)).as_warnings()


@lru_cache(maxsize=_REMEMBERED)
def _doubts(policies: tuple[str, ...], entities: str, names: Names) -> tuple[CedarDoubt, ...]:
    # Imported where somebody has policies: the library weighs more than all else of this package.
    from vmcp_api.text.cedar_doubts import find_doubts  # noqa: PLC0415

    return find_doubts(policies, entities, names)


def check_entities(text: str, loc: Loc) -> Problems:
    """What is wrong with the entities that policies speak of."""
    flaw = find_entities_flaw(text)
    return Problems.of(_problem(flaw, loc)) if flaw else Problems()


def _problem(flaw: CedarFlaw, loc: Loc) -> Problem:
    return Problem(str(flaw), flaw.remedy, loc)
