"""The composite tools of an endpoint: its own, and those that it refers to."""

import pytest

from tests.api.compositecases import composite, step
from tests.api.manifests import build, problems_of, team
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import build_resources
from vmcp_api.render import Mode, Rendered, decode_config, encode_config, render
from vmcp_api.spec.composite import MAX_COMPOSITE_TOOLS

DEFINITION = "VirtualMCPCompositeToolDefinition"
SUBJECT = "VirtualMCPServer/front"


def definition(resource: str, tool: str):
    return build(DEFINITION, resource, **composite(step("read"), name=tool))


def rendered(*objects, own=(), refs=()) -> Rendered:
    config = {
        "compositeTools": [composite(name=name) for name in own],
        "compositeToolRefs": [{"name": ref} for ref in refs],
    }
    outcome = render(team(*objects, config=config), "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered)
    return outcome


def names(outcome: Rendered) -> list[str]:
    return [tool.name for tool in outcome.config.config.composite_tools]


def test_tools_by_reference_stand_after_the_endpoints_own_and_reach_the_proxy_as_they_are():
    outcome = rendered(definition("b", "two"), definition("a", "three"), own=["one"], refs=["b", "a"])
    assert names(outcome) == ["one", "two", "three"]
    assert not outcome.warnings
    text = encode_config(outcome.config)
    assert "compositeToolRefs" not in text
    assert decode_config(text, "config") == outcome.config


def test_a_tool_that_is_missing_or_has_a_name_that_is_taken_is_left_out_alone():
    outcome = rendered(definition("a", "one"), definition("b", "two"), own=["one"], refs=["a", "bb", "b"])
    assert names(outcome) == ["one", "two"]
    assert [(each.reason, each.problem.path, each.problem.subject) for each in outcome.composites] == [
        ("NameClash", "spec.config.compositeToolRefs[0].name", SUBJECT),
        ("CompositeToolRefNotFound", "spec.config.compositeToolRefs[1].name", SUBJECT),
    ]
    clash, missing = (str(each.problem) for each in outcome.composites)
    assert "has the name 'one', so that this is not served; change spec.name" in clash
    assert f"{DEFINITION} 'bb' does not exist in this namespace; create it" in missing
    assert "did you mean 'b'?" in missing
    assert len(outcome.warnings) == len(outcome.composites)
    assert not outcome.warnings.errors


@pytest.mark.scenario("W-8")
def test_a_tool_whose_steps_call_another_composite_tool_is_refused_where_it_stands():
    def calling(name: str, tool: str):
        return composite(step("read", tool=tool), name=name)

    nested = {"compositeTools": [calling("one", "two"), calling("two", "one"), calling("three", "notes.x")]}
    found = problems_of("VirtualMCPServer", "front", config=nested)
    assert [(each.path, each.message) for each in found] == [
        (
            f"spec.config.compositeTools[{index}].steps[0].tool",
            f"calls the composite tool {other!r}, and steps cannot call composite tools",
        )
        for index, other in ((0, "two"), (1, "one"))
    ]
    assert {each.remedy for each in found} == {"write the steps of that tool here in its place"}

    config = {
        "compositeTools": [calling("own", "a"), composite(name="fine")],
        "compositeToolRefs": [{"name": name} for name in "abc"],
    }
    refs = [build(DEFINITION, name, **calling(name, tool)) for name, tool in (("a", "b"), ("b", "x"), ("c", "fine"))]
    outcome = render(team(*refs, config=config), "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered)
    assert names(outcome) == ["fine", "b"]
    assert [(each.reason, each.problem.subject, each.problem.path) for each in outcome.composites] == [
        ("CompositeToolRefInvalid", SUBJECT, "spec.config.compositeTools[0].steps[0].tool"),
        ("CompositeToolRefInvalid", f"{DEFINITION}/a", "spec.steps[0].tool"),
        ("CompositeToolRefInvalid", f"{DEFINITION}/c", "spec.steps[0].tool"),
    ]


def lost(tool: str, *members: str, inner: str = "", **aggregation) -> list[tuple[str, str]]:
    """The warnings about the call of a tool, in a group of backends of these names."""
    loop = {"type": "forEach", "collection": "[1]", "step": {"tool": inner or tool}}
    config = {"compositeTools": [composite(step("a", tool=tool), step("b", **loop))], "aggregation": aggregation}
    servers = [
        build("MCPServer", name, groupRef={"name": "team"}, image="x/y:1", transport="streamable-http")
        for name in members
    ]
    outcome = render(team(*servers, config=config), "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered)
    assert len(outcome.config.config.composite_tools) == 1
    return [(each.path or "", str(each)) for each in outcome.warnings if ".tool" in (each.path or "")]


@pytest.mark.scenario("W-8")
def test_a_call_of_a_backend_that_the_group_does_not_have_is_told_with_the_one_that_was_meant():
    first, inner = lost("shp.echo", "shop", "time")
    assert first[0] == "spec.config.compositeTools[0].steps[0].tool"
    assert inner[0] == "spec.config.compositeTools[0].steps[1].step.tool"
    said = "calls 'shp.echo', and the group has no backend 'shp'; did you mean 'shop.echo'?"
    assert all(said in text and "warning" in text for _, text in (first, inner))
    ((_, text),) = lost("zebra.echo", "shop", "time", inner="shop.echo")
    assert "has no backend 'zebra'; known backends: shop, time" in text


@pytest.mark.parametrize(
    ("tool", "aggregation"),
    [
        ("shop.echo", {}),
        ("shp_echo", {}),
        ("shop_issues.list", {}),
        ("in.shop.echo", {"conflictResolutionConfig": {"prefixFormat": "in.{workload}."}}),
        ("issues.list", {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["shop"]}}),
    ],
)
def test_a_call_by_a_name_that_clients_may_see_is_not_judged(tool, aggregation):
    assert not lost(tool, "shop", "time", **aggregation)
    assert not lost(tool)


def test_calls_of_ever_other_backends_are_compared_with_those_that_there_are_a_bounded_number_of_times():
    config = {"compositeTools": [composite(*(step(f"s{n}", tool=f"shop{n}.x") for n in range(40)))]}
    server = build("MCPServer", "shop", groupRef={"name": "team"}, image="x/y:1", transport="streamable-http")
    outcome = render(team(server, config=config), "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered)
    told = [each.remedy for each in outcome.warnings if (each.path or "").endswith(".tool")]
    assert told == ["did you mean 'shop.x'?"] * 20 + ["known backends: shop"] * 20


def test_a_name_that_is_much_like_a_backends_is_told_whatever_clients_see():
    by_priority = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["shop"]}}
    assert lost("shp.echo", "shop", inner="shop.echo", **by_priority)


def test_a_tool_whose_definition_is_not_valid_is_left_out_with_its_first_fault():
    faulty = problems_of(DEFINITION, "a", **composite(step("read", dependsOn=["red"]), step("write")))
    base = (
        build("VirtualMCPServer", "front", config={"compositeToolRefs": [{"name": "a"}]}),
        build("MCPGroup", "team"),
    )
    resources = build_resources("ns", base, reads_secrets=False, invalid={(DEFINITION, "a"): faulty})
    outcome = render(resources, "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered)
    (refused,) = outcome.composites
    assert refused.reason == "CompositeToolRefInvalid"
    said = f"{DEFINITION} 'a' is not valid: {DEFINITION}/a: spec.steps[0].dependsOn[0]: there is no step 'red'"
    assert said in str(refused.problem)


@pytest.mark.scenario("W-8")
def test_faults_of_tools_in_files_are_told_with_their_line():
    text = """
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPCompositeToolDefinition
metadata: {name: report}
spec:
  name: report
  description: Writes a report.
  steps:
    - id: read
      tool: notes.read
    - id: write
      tool: notes.write
      dependsOn: [raed]
"""
    problems = load([Source("tools.yaml", text)]).problems
    assert [str(each) for each in problems] == [
        f"tools.yaml:13: {DEFINITION}/report: spec.steps[1].dependsOn[0]: there is no step 'raed'; did you mean 'read'?"
    ]


def test_results_that_may_not_be_there_are_warnings_at_the_place_where_they_are_read():
    maybe = (step("a", onError={"action": "continue"}), step("b", arguments={"x": "{{ steps.a.output.text }}"}))
    shared = build(DEFINITION, "shared", **composite(*maybe, name="shared"))
    config = {"compositeTools": [composite(*maybe, name="own")], "compositeToolRefs": [{"name": "shared"}]}
    outcome = render(team(shared, config=config), "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered)
    assert [(each.subject, each.path) for each in outcome.warnings] == [
        (SUBJECT, "spec.config.compositeTools[0].steps[1].arguments.x"),
        (f"{DEFINITION}/shared", "spec.steps[1].arguments.x"),
    ]
    assert "give it a value in defaultResults" in str(outcome.warnings)
    assert not outcome.warnings.errors
    assert names(outcome) == ["own", "shared"]


def test_an_endpoint_has_a_bounded_number_of_tools_its_own_and_others_together():
    tools = {
        "compositeTools": [composite(name=f"t{n}") for n in range(MAX_COMPOSITE_TOOLS)],
        "compositeToolRefs": [{"name": "a"}],
    }
    problems = problems_of("VirtualMCPServer", config=tools)
    assert isinstance(problems, Problems)
    assert [each.path for each in problems] == ["spec.config.compositeToolRefs"]
