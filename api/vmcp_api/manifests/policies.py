"""Whether policies can be decided by, as a resource or a ConfigMap says them."""

from collections.abc import Sequence
from typing import Final

from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.text.cedar_flaw import CedarFlaw
from vmcp_api.text.cedar_names import CedarDoubt, Names
from vmcp_api.text.cedar_text import find_entities_flaw, find_policy_flaws
from vmcp_api.text.remembered import Remembered, digest_of

_MOST_FLAWS: Final = 1024
"""Texts whose flaws are known: an operator asks each time that anything of an endpoint changes."""

_MOST_DOUBTS: Final = 64
"""The same for doubts, of which a set may have a thousand."""

_policy_flaws: Final = Remembered[bytes, tuple[tuple[int, CedarFlaw], ...]](_MOST_FLAWS)
_entities_flaws: Final = Remembered[bytes, CedarFlaw | None](_MOST_FLAWS)
_doubts: Final = Remembered[tuple[bytes, Names], tuple[CedarDoubt, ...]](_MOST_DOUBTS)


def check_policies(policies: Sequence[str], loc: Loc) -> Problems:
    """What is wrong with Cedar policies, each by its place in the list and its line; ``loc`` is that of the list."""
    flaws = _policy_flaws.get(digest_of(*policies), lambda: find_policy_flaws(policies))
    return Problems(tuple(_problem(flaw, (*loc, index)) for index, flaw in flaws))


def doubt_policies(policies: Sequence[str], entities: str, loc: Loc, names: Names) -> Problems:
    """Warnings about what policies name and nothing has, where there is nothing wrong with the policies themselves."""
    # Imported where somebody has policies: the library weighs more than all else of this package.
    from vmcp_api.text.cedar_doubts import find_doubts  # noqa: PLC0415

    key = digest_of(entities, *policies), names
    doubts = _doubts.get(key, lambda: find_doubts(policies, entities, names))
    return Problems(tuple(Problem(each.message, each.remedy, (*loc, each.text)) for each in doubts)).as_warnings()


def check_entities(text: str, loc: Loc) -> Problems:
    """What is wrong with the entities that policies speak of."""
    flaw = _entities_flaws.get(digest_of(text), lambda: find_entities_flaw(text))
    return Problems.of(_problem(flaw, loc)) if flaw else Problems()


def _problem(flaw: CedarFlaw, loc: Loc) -> Problem:
    return Problem(str(flaw), flaw.remedy, loc)
