"""The annotations of a composite tool: what follows from its steps, and no better promise than that; pure."""

from collections.abc import Iterator, Sequence

from vmcp_api.spec.composite import CompositeAnnotations
from vmcp_proxy.protocol.annotations import Annotations, hints_of

WORST = Annotations(read_only=False, destructive=True, idempotent=False, open_world=True)
"""What a tool may be of which nothing is known, as MCP has it for hints that are absent."""


def floor_of(tools: Sequence[Annotations]) -> Annotations:
    """What holds for all steps together, each hint of which nothing is known being the worst.

    A tool that changes nothing destroys nothing, and repeating it changes nothing more, whatever else it says. Who
    calls no tool but asks its caller does nothing at all.
    """
    return Annotations(
        read_only=all(each.read_only is True for each in tools),
        destructive=any(each.read_only is not True and each.destructive is not False for each in tools),
        idempotent=all(each.read_only is True or each.idempotent is True for each in tools),
        open_world=any(each.open_world is not False for each in tools),
    )


def hints_with(declared: CompositeAnnotations | None, floor: Annotations) -> Annotations:
    """The hints that its definition gives, and those of the floor for the others."""
    if declared is None:
        return floor
    return Annotations(
        read_only=floor.read_only if declared.read_only_hint is None else declared.read_only_hint,
        destructive=floor.destructive if declared.destructive_hint is None else declared.destructive_hint,
        idempotent=floor.idempotent if declared.idempotent_hint is None else declared.idempotent_hint,
        open_world=floor.open_world if declared.open_world_hint is None else declared.open_world_hint,
    )


def broken_promises(declared: CompositeAnnotations | None, floor: Annotations) -> Iterator[str]:
    """The hints, by their names in MCP, that promise more than the steps keep."""
    said, kept = hints_of(hints_with(declared, floor)), hints_of(floor)
    good = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
    for name, best in good.items():
        if said[name] is best and kept[name] is not best:
            yield name
