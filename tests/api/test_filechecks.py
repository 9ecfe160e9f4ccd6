"""What a cluster would wait for and files have to have: groups of members, members of groups."""

import json

import pytest

from tests.api.manifests import manifest
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import Loaded, load
from vmcp_api.manifests.validate import validate
from vmcp_api.render import Mode, render

VMCP, TEAM = manifest("VirtualMCPServer", "front"), manifest("MCPGroup", "team")


def in_namespace(document, namespace):
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


def load_all(*documents) -> Loaded:
    return load([Source("m.yaml", "".join(f"---\n{json.dumps(each, indent=1)}\n" for each in documents))])


def line_of(number: int, key: str, *documents) -> int:
    """The line on which the key of a document stands in such a file."""
    lines = "".join(f"---\n{json.dumps(each, indent=1)}\n" for each in documents).splitlines()
    begins = [index for index, line in enumerate(lines) if line == "---"][number]
    return next(index for index, line in enumerate(lines, 1) if index > begins and f'"{key}": {{' in line) + 1


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize("kind", ["MCPServer", "MCPServerEntry"])
def test_a_member_of_a_group_that_the_files_lack_is_a_warning_at_its_line(kind):
    lost = manifest(kind, "lost", groupRef={"name": "taem"})
    documents = (VMCP, TEAM, manifest("MCPServerEntry", "one"), lost)
    loaded = load_all(*documents)
    assert str(loaded.problems) == (
        f"m.yaml:{line_of(3, 'groupRef', *documents)}: warning: {kind}/lost: spec.groupRef.name: "
        "MCPGroup 'taem' is not in the files, so that nothing serves this; "
        "create it, or name another (did you mean 'team'?)"
    )
    assert list(loaded.namespaces["ns"].of(VirtualMCPServer)) == ["front"]


@pytest.mark.scenario("D-4")
def test_a_member_in_another_namespace_than_its_group_is_told_where_the_group_is():
    lost = in_namespace(manifest("MCPServerEntry", "lost"), "other")
    loaded = load_all(VMCP, TEAM, lost)
    first, second = str(loaded.problems).splitlines()
    assert "warning: VirtualMCPServer/front: spec.groupRef.name: " in first
    assert "warning: MCPServerEntry/lost: spec.groupRef.name: " in second
    assert "MCPGroup 'team' is in the namespace 'ns' and this in 'other', so that nothing serves this; " in second
    assert second.endswith("put both into one namespace")


@pytest.mark.scenario("D-4")
def test_an_endpoint_whose_group_has_no_members_is_a_warning():
    loaded = load_all(VMCP, TEAM)
    assert str(loaded.problems) == (
        f"m.yaml:{line_of(0, 'groupRef', VMCP)}: warning: VirtualMCPServer/front: spec.groupRef.name: "
        "MCPGroup 'team' has no members in the files, so that there is nothing to serve; "
        "add an MCPServer or MCPServerEntry to the namespace 'ns' with the same groupRef"
    )


@pytest.mark.parametrize(
    "documents",
    [
        (TEAM,),
        (manifest("MCPServer", "alone", groupRef=None),),
        (VMCP, TEAM, manifest("MCPServer", "one")),
        (VMCP, TEAM, manifest("MCPServerEntry", "one"), manifest("MCPGroup", "empty")),
        (VMCP, manifest("MCPGroup", "team", allowGatewayBindings=True)),
        (in_namespace(TEAM, "a"), in_namespace(manifest("MCPServer"), "a"), TEAM, manifest("MCPServer")),
    ],
    ids=range(6),
)
def test_what_is_whole_in_itself_is_not_warned_of(documents):
    assert str(load_all(*documents).problems) == ""


def test_objects_with_errors_are_not_called_missing():
    broken = {**TEAM, "spec": {"nope": 1}}
    loaded = load_all(broken, manifest("MCPServer", "one"))
    assert [problem.path for problem in loaded.problems] == ["spec.nope"]


@pytest.mark.parametrize("members", [(), (manifest("MCPServer"),)], ids=range(2))
def test_a_group_that_an_endpoint_lacks_is_told_once_by_what_cannot_be_rendered(members):
    loaded = load_all(VMCP, *members)
    assert not loaded.problems
    rendered = render(loaded.namespaces["ns"], "front", mode=Mode.LOCAL)
    assert "MCPGroup 'team' does not exist in this namespace" in str(rendered)


def overriding(**overrides):
    return manifest(
        "VirtualMCPServer",
        "front",
        config={"aggregation": {"tools": [{"workload": "x"}, {"workload": "one", "overrides": overrides}]}},
    )


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("overrides", "at", "other"),
    [
        ({"a": {"name": "find"}, "b": {"name": "find"}}, "b", "a"),
        ({"a": {"name": "b"}, "b": {"description": "x"}}, "a", "b"),
        ({"b": {"description": "x"}, "a": {"name": "b"}}, "a", "b"),
    ],
)
def test_two_tools_of_one_workload_with_the_same_new_name_are_refused(overrides, at, other):
    loaded = load_all(overriding(**overrides), TEAM, manifest("MCPServer", "one"))
    (problem,) = loaded.problems
    assert problem.is_error
    assert problem.line
    assert str(problem).endswith(
        f"VirtualMCPServer/front: spec.config.aggregation.tools[1].overrides.{at}.name: "
        f"gives the tool the name of the tool {other!r}, so that neither is served; choose another name"
    )


@pytest.mark.parametrize(
    "overrides",
    [
        {"a": {"name": "b"}, "b": {"name": "a"}},
        {"a": {"name": "a"}, "b": {"description": "x"}},
        {"a": {"description": "x"}, "b": {"description": "x"}},
    ],
    ids=range(3),
)
def test_overrides_that_keep_names_apart_are_accepted(overrides):
    assert not load_all(overriding(**overrides), TEAM, manifest("MCPServer", "one")).problems


def test_what_only_files_are_refused_for_stays_valid_for_a_cluster():

    document = overriding(a={"name": "find"}, b={"name": "find"})
    assert isinstance(validate(VirtualMCPServer, document), VirtualMCPServer)


@pytest.mark.scenario("D-4", "K-27")
@pytest.mark.parametrize("members", [(manifest("MCPServerEntry", "one"),), ()], ids=range(2))
def test_a_group_that_takes_servers_of_another_operator_is_one_warning_where_there_is_no_cluster(members):
    team = manifest("MCPGroup", "team", serverRefs=[{"name": "wiki"}, {"name": "issues"}])
    loaded = load_all(VMCP, team, *members)
    (line,) = str(loaded.problems).splitlines()
    assert "warning: MCPGroup/team: spec.serverRefs: servers of another operator are served in a cluster alone" in line
    assert "wiki, issues; add an MCPServerEntry" in line
