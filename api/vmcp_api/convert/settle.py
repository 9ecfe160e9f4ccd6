"""What is not valid here is taken out of a draft; where that would open something, the whole object is left out."""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from vmcp_api.convert.draft import Draft
from vmcp_api.generate.schema import at_path, schema_of
from vmcp_api.kinds import KINDS
from vmcp_api.manifests.problems import Loc, Problem, Problems, format_path
from vmcp_api.manifests.validate import validate

_GUARDS: Final[dict[str, tuple[Loc, ...]]] = {
    "VirtualMCPServer": (
        ("spec", "incomingAuth"),
        ("spec", "outgoingAuth"),
        ("spec", "config", "aggregation"),
        ("spec", "config", "rateLimiting"),
        ("spec", "groupRef"),
    ),
    "MCPServer": (("spec", "toolConfigRef"), ("spec", "externalAuthConfigRef")),
    "MCPServerEntry": (("spec", "toolConfigRef"), ("spec", "externalAuthConfigRef")),
    "MCPToolConfig": (("spec",),),
    "MCPAuthzConfig": (("spec",),),
    "MCPOIDCConfig": (("spec",),),
    "MCPExternalAuthConfig": (("spec",),),
    "VirtualMCPCompositeToolDefinition": (("spec",),),
}
"""Places that say who may do what, or a workflow that is whole or none: half of it would be something else."""

_WHOLE: Final[tuple[Loc, ...]] = ((), ("spec",))
"""Places without which nothing is left to be checked."""

_NO_SETTING: Final = "there is no such setting here"

_WHOLES: Final[dict[str, tuple[Loc, ...]]] = {"VirtualMCPServer": (("spec", "config", "compositeTools"),)}
"""Lists whose entries are kept or lost as a whole."""


def settle(draft: Draft, kind: str) -> None:
    """Takes out of a draft of a kind of ours what does not validate, until it does, or refuses it.

    Of one that is refused all else that is wrong is told too, as far as it can be seen without its guards.
    """
    is_whole = draft.refusal is None
    while is_whole and (problems := _problems(draft, kind)):
        targets: dict[Loc, Problem] = {}
        guards: set[Loc] = set()
        for problem in problems:
            target = _target(draft, kind, problem)
            is_told = False
            if _opens(draft, kind, problem):
                is_told = draft.refusal is None
                _refuse(draft, problem)
                guards.add(next(_guards(kind, target), ()))
            # The first reason is that of the whole.
            if not is_told and target not in _WHOLE:
                targets.setdefault(target, problem)
        if ("spec",) in guards:
            targets.clear()
        # From the end, so that the positions of the others in a list stay.
        for loc in sorted(targets, key=_order, reverse=True):
            if not any(loc[:length] in targets for length in range(len(loc))):
                _lose(draft, kind, loc, targets[loc])
        for guard in guards:
            if draft.refusal:
                draft.lose(guard, *draft.refusal)
        is_whole = guards.isdisjoint((*_WHOLE, ("metadata",)))


def _problems(draft: Draft, kind: str) -> Problems:
    parsed = validate(KINDS[kind], draft.plain())
    return parsed if isinstance(parsed, Problems) else Problems()


def _opens(draft: Draft, kind: str, problem: Problem) -> bool:
    """Whether the object would be another one without what is wrong, or none."""
    if not is_known(KINDS[kind], problem.loc):
        return False
    target = _target(draft, kind, problem)
    return target in _WHOLE or _is_guard(kind, target)


def _is_guard(kind: str, loc: Loc) -> bool:
    return any(_guards(kind, loc))


def _guards(kind: str, loc: Loc) -> Iterator[Loc]:
    return (guard for guard in (("metadata",), *_GUARDS.get(kind, ())) if loc[: len(guard)] == guard)


def _target(draft: Draft, kind: str, problem: Problem) -> Loc:
    """What is taken out: the value, or what is not whole without the value that is missing."""
    loc = problem.loc
    while loc and not draft.has(loc):
        loc = loc[:-1]
    return next(_entries(kind, loc), loc) if is_known(KINDS[kind], problem.loc) else loc


def _lose(draft: Draft, kind: str, loc: Loc, problem: Problem) -> None:
    why = problem.message if is_known(KINDS[kind], problem.loc) else _NO_SETTING
    inner = format_path(problem.loc[len(loc) :])
    # An empty guard is told as such by the next check; none would be an open door.
    prunes = not _is_guard(kind, loc)
    draft.lose(loc, f"{inner}: {why}" if inner else why, problem.remedy, prunes=prunes)


def _entries(kind: str, loc: Loc) -> Iterator[Loc]:
    for whole in _WHOLES.get(kind, ()):
        if loc[: len(whole)] == whole and len(loc) > len(whole):
            yield loc[: len(whole) + 1]


def _refuse(draft: Draft, problem: Problem) -> None:
    place = format_path(problem.loc)
    said = f"{place}: {problem.message}" if place else problem.message
    draft.refuse(f"is left out: {said}", problem.remedy)


def is_known(model: type[BaseModel], loc: Loc) -> bool:
    """Whether a kind of ours has a field at a place."""
    return at_path(schema_of(model), loc) is not None


def _order(loc: Loc) -> tuple[tuple[bool, int, str], ...]:
    return tuple((isinstance(step, int), step if isinstance(step, int) else 0, str(step)) for step in loc)
