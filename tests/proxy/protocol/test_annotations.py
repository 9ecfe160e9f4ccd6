"""The hints that policies decide by: what the client sees of them, whatever the backend wrote."""

import pytest

from tests.proxy.core.builders import listing, merged, raw_tool, settings
from vmcp_proxy.core.catalog.capabilities import Descriptor, Listing
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations, read_annotations
from vmcp_proxy.protocol.kinds import Kind


@pytest.mark.scenario("Z-3")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (raw_tool("x"), NO_ANNOTATIONS),
        (raw_tool("x", annotations={"title": "X"}), NO_ANNOTATIONS),
        (
            raw_tool("x", annotations={"readOnlyHint": True, "openWorldHint": False}),
            Annotations(read_only=True, open_world=False),
        ),
        (
            raw_tool("x", annotations={"destructiveHint": True, "idempotentHint": True}),
            Annotations(destructive=True, idempotent=True),
        ),
        (raw_tool("x", annotations={"readOnlyHint": "true", "idempotentHint": 1}), NO_ANNOTATIONS),
        (raw_tool("x", annotations=[True]), NO_ANNOTATIONS),
        (raw_tool("x", annotations=None), NO_ANNOTATIONS),
        (b'{"\\u0061nnotations":{"destructive\\u0048int":true}}', Annotations(destructive=True)),
        (b'{"annotations":{"readOnlyHint":true,"readOnlyHint":false}}', Annotations(read_only=False)),
        (b'{"annotations":{"title":"\\ud800","readOnlyHint":true}}', Annotations(read_only=True)),
    ],
)
def test_hints_are_read_as_clients_read_them_and_odd_ones_are_none(raw, expected):
    assert read_annotations(raw) == expected


@pytest.mark.scenario("Z-3")
def test_a_policy_sees_the_hints_of_the_settings_instead_of_those_of_the_backend():
    own = Descriptor(Kind.TOOL, "x", raw_tool("x", annotations={"readOnlyHint": True, "openWorldHint": False}))
    override = {"x": {"annotations": {"readOnlyHint": False}}}
    using = settings(tools=[{"workload": "a", "overrides": override}])
    catalog = merged(Listing("a", tools=(own,)), listing("b", tools=["y"], prompts=["p"]), using=using)
    assert {tool.exposed: tool.annotations for tool in catalog.tools} == {
        "a_x": Annotations(read_only=False, open_world=False),
        "b_y": NO_ANNOTATIONS,
    }
