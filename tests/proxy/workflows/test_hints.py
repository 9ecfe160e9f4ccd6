"""What a composite tool says of itself follows from its steps, and promises no more."""

import pytest

from vmcp_api.spec.composite import CompositeAnnotations
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations
from vmcp_proxy.workflows.tools.hints import WORST, broken_promises, floor_of, hints_with

READS = Annotations(read_only=True)
READS_HERE = Annotations(read_only=True, open_world=False)
ADDS = Annotations(read_only=False, destructive=False, idempotent=True, open_world=False)
DELETES = Annotations(destructive=True, idempotent=True)


@pytest.mark.scenario("W-10")
@pytest.mark.parametrize(
    ("tools", "floor"),
    [
        ([], Annotations(read_only=True, destructive=False, idempotent=True, open_world=False)),
        ([READS], Annotations(read_only=True, destructive=False, idempotent=True, open_world=True)),
        ([READS_HERE], Annotations(read_only=True, destructive=False, idempotent=True, open_world=False)),
        ([READS_HERE, ADDS], Annotations(read_only=False, destructive=False, idempotent=True, open_world=False)),
        ([READS, ADDS], Annotations(read_only=False, destructive=False, idempotent=True, open_world=True)),
        ([ADDS, DELETES], Annotations(read_only=False, destructive=True, idempotent=True, open_world=True)),
        ([ADDS, NO_ANNOTATIONS], WORST),
        ([NO_ANNOTATIONS], WORST),
        # A tool that says both is taken by the first, as MCP has it.
        (
            [Annotations(read_only=True, destructive=True, idempotent=False, open_world=False)],
            Annotations(read_only=True, destructive=False, idempotent=True, open_world=False),
        ),
    ],
)
def test_the_floor_is_the_worst_of_the_steps(tools, floor):
    assert floor_of(tools) == floor


@pytest.mark.scenario("W-10")
@pytest.mark.parametrize(
    ("tools", "declared", "broken"),
    [
        ([ADDS], {"read_only_hint": True}, ["readOnlyHint"]),
        ([DELETES], {"destructive_hint": False, "open_world_hint": False}, ["destructiveHint", "openWorldHint"]),
        ([NO_ANNOTATIONS], {"idempotent_hint": True}, ["idempotentHint"]),
        ([READS_HERE], {"read_only_hint": False, "destructive_hint": True, "open_world_hint": True}, []),
        ([READS_HERE], {"read_only_hint": True, "idempotent_hint": True, "open_world_hint": False}, []),
        ([DELETES], {"title": "Clean up"}, []),
        ([DELETES], None, []),
    ],
)
def test_hints_of_the_definition_may_only_promise_less(tools, declared, broken):
    floor = floor_of(tools)
    said = None if declared is None else CompositeAnnotations(**declared)
    assert list(broken_promises(said, floor)) == broken
    for name, value in (declared or {}).items():
        if name != "title":
            assert getattr(hints_with(said, floor), name.removesuffix("_hint")) is value
