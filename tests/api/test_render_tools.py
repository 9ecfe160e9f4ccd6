"""Filters and overrides of members and endpoints, and the MCPToolConfigs that both refer to."""

import pytest

from tests.api.manifests import build, problems_of, team
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.manifests.resources import build_resources
from vmcp_api.render import Mode, Rendered, decode_config, encode_config, render


def config(name="curated", /, only=(), **overrides):
    return build("MCPToolConfig", name, toolsFilter=list(only), toolsOverride=overrides)


def notes(ref=None, kind="MCPServer"):
    return build(kind, "notes", **({"toolConfigRef": {"name": ref}} if ref else {}))


def rendered(*objects, **aggregation) -> Rendered:
    outcome = render(team(*objects, config={"aggregation": aggregation}), "front", mode=Mode.CLUSTER)
    assert isinstance(outcome, Rendered), str(outcome)
    return outcome


def entry(outcome: Rendered):
    """What the proxy is told of `notes`: its filter, the new names, whether nothing is served."""
    (tools,) = outcome.config.config.aggregation.tools
    assert tools.workload == "notes"
    names = {own: override.name for own, override in tools.overrides.items()}
    return list(tools.filter), names, tools.exclude_all


@pytest.mark.parametrize("kind", ["MCPServer", "MCPServerEntry"])
def test_what_a_member_refers_to_holds_for_it_at_every_endpoint(kind):
    outcome = rendered(notes("curated", kind), config(only=["read"], read={"name": "read_note"}))
    assert entry(outcome) == (["read"], {"read": "read_note"}, False)
    assert [backend.name for backend in outcome.config.backends] == ["notes"]
    assert not outcome.warnings
    assert decode_config(encode_config(outcome.config), "config") == outcome.config


def test_an_entry_takes_over_what_it_refers_to_and_what_stands_in_it_counts_before():
    shared = config(only=["read", "list"], read={"name": "from_config", "description": "Config."}, list={"name": "ls"})
    tools = [{"workload": "notes", "toolConfigRef": {"name": "curated"}}]
    assert entry(rendered(notes(), shared, tools=tools)) == (
        ["read", "list"],
        {"read": "from_config", "list": "ls"},
        False,
    )
    tools[0] |= {"filter": ["read"], "overrides": {"read": {"name": "from_entry"}}}
    outcome = rendered(notes(), shared, tools=tools)
    assert entry(outcome) == (["read"], {"read": "from_entry", "list": "ls"}, False)
    (told,) = outcome.config.config.aggregation.tools
    assert told.overrides["read"].description is None, "overrides of one tool are not mixed"


def test_an_endpoint_sees_the_tools_of_a_member_as_its_own_config_leaves_them_and_takes_away_only():
    shared = config(only=["read", "list"], read={"name": "read_note", "description": "Reads."}, list={"name": "ls"})
    tools = [{"workload": "notes", "filter": ["read_note", "erase"], "overrides": {"read_note": {"name": "get"}}}]
    outcome = rendered(notes("curated"), shared, tools=tools)
    assert entry(outcome) == (["read"], {"read": "get", "list": "ls"}, False)
    (told,) = outcome.config.config.aggregation.tools
    assert told.overrides["read"].description == "Reads."
    (warning,) = outcome.warnings
    assert "the filter names 'erase', which MCPServer/notes leaves out by its toolConfigRef" in str(warning)


def test_filters_that_have_nothing_in_common_serve_nothing_and_not_everything():
    outcome = rendered(notes("curated"), config(only=["read"]), tools=[{"workload": "notes", "filter": ["erase"]}])
    assert entry(outcome) == ([], {}, True)


def test_what_a_member_fixes_or_hides_is_not_set_by_an_endpoint():
    fixed = {"arguments": {"root": {"fixed": "/notes"}, "depth": {"default": 1}}, "annotations": {"readOnlyHint": True}}
    above = {"arguments": {"root": {"default": "/"}, "depth": {"fixed": 2}}, "annotations": {"title": "Read"}}
    tools = [{"workload": "notes", "overrides": {"read": above}}]
    outcome = rendered(notes("curated"), config(read=fixed), tools=tools)
    (told,) = outcome.config.config.aggregation.tools
    arguments = {name: each.value.value for name, each in told.overrides["read"].arguments.items()}
    assert arguments == {"root": "/notes", "depth": 2}
    hints = told.overrides["read"].annotations
    assert (hints.title, hints.read_only_hint) == ("Read", True)


def test_a_config_of_its_own_is_no_entry_where_backends_without_one_serve_nothing():
    outcome = rendered(notes("curated"), config(only=["read"]), defaultToolVisibility="deny")
    assert entry(outcome) == (["read"], {}, True)


REFERS = {
    "member": (notes("curated"), {}, "MCPServer/notes: spec.toolConfigRef.name"),
    "endpoint": (
        notes(),
        {"tools": [{"workload": "notes", "toolConfigRef": {"name": "curated"}}]},
        "VirtualMCPServer/front: spec.config.aggregation.tools[0].toolConfigRef.name",
    ),
}


@pytest.mark.scenario("K-7", "K-19")
@pytest.mark.parametrize("case", REFERS)
def test_a_member_whose_filter_cannot_be_told_is_withheld_alone(case):
    member, aggregation, place = REFERS[case]
    other = build("MCPServer", "other")
    outcome = rendered(member, other, **aggregation)
    assert [backend.name for backend in outcome.config.backends] == ["other"]
    (withheld,) = outcome.config.withheld
    assert (withheld.name, withheld.reason) == ("notes", "ToolConfigNotFound")
    assert place.split(": ")[1] in withheld.message
    assert "MCPToolConfig 'curated' does not exist in this namespace; create it" in withheld.message
    assert place in str(outcome.warnings)
    assert all(each.exclude_all for each in outcome.config.config.aggregation.tools)


def test_a_config_that_does_not_validate_is_told_apart_from_one_that_is_missing():
    faulty = problems_of("MCPToolConfig", "curated", toolsFilter=["read", "read"])
    base = (build("VirtualMCPServer", "front"), build("MCPGroup", "team"), notes("curated"))
    resources = build_resources("ns", base, reads_secrets=False, invalid={("MCPToolConfig", "curated"): faulty})
    outcome = render(resources, "front", mode=Mode.CLUSTER)
    (withheld,) = outcome.config.withheld
    assert withheld.reason == "ToolConfigInvalid"
    assert "spec.toolsFilter[1]: stands in the list twice; remove one of the two" in withheld.message


def test_an_entry_for_a_backend_that_is_not_there_tells_of_its_missing_config_too():
    outcome = rendered(tools=[{"workload": "gone", "toolConfigRef": {"name": "curated"}}])
    assert "MCPToolConfig 'curated' does not exist" in str(outcome.warnings)
    assert outcome.config.config.aggregation.tools[0].exclude_all


def test_two_tools_that_get_one_name_are_told_with_the_line_of_the_config():
    text = """
apiVersion: vmcp.dev/v1beta1
kind: MCPToolConfig
metadata: {name: curated}
spec:
  toolsOverride:
    read: {name: get}
    fetch: {name: get}
"""
    (problem,) = load([Source("tools.yaml", text)]).problems
    assert str(problem).startswith("tools.yaml:8: MCPToolConfig/curated: spec.toolsOverride.fetch.name: gives the tool")
