"""Servers of the MCP Lifecycle Operator in groups, by the group's own list and by their bindings."""

from dataclasses import replace

import pytest

from tests.operator.harness import SETTINGS, vmcp
from tests.operator.lifecycle import BINDING, ISSUES, REFS, TOOLS, WIKI, bound, deny, listing, serve, takes
from tests.operator.manifests import ENTRY, LIFECYCLE_SERVERS, SERVER, VMCP
from vmcp_api.kinds.foreign.lifecycle import parse_server
from vmcp_operator.errors import Denied, Unavailable
from vmcp_operator.plan.kinds import CONFIG_MAP, LIFECYCLE_SERVER, Ref
from vmcp_operator.plan.kinds import ENTRY as ENTRY_KIND
from vmcp_operator.reconcile.reconciler import REFUSED_SECONDS
from vmcp_operator.watch import read_change

pytestmark = pytest.mark.scenario("K-27")


async def test_a_server_that_a_group_names_is_in_it_as_an_entry_to_its_service():
    story = listing("issues", "wiki")
    await story.reconcile(TOOLS)
    entry = story.live(ENTRY_KIND, "issues")
    assert entry["spec"] == {
        # Not the address of its status: that is a gateway's, perhaps our own.
        "remoteUrl": "http://issues.default.svc:9000/rpc",
        "transport": "streamable-http",
        "groupRef": {"name": "tools"},
        "allowPrivateEndpoint": True,
    }
    assert story.live(ENTRY_KIND, "wiki")["spec"]["remoteUrl"] == "http://wiki.default.svc:8080/mcp"
    (owner,) = entry["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("MCPGroup", story.cluster.objects[TOOLS]["metadata"]["uid"])
    status = story.status(TOOLS)
    assert (status["phase"], status["entries"], status["entryCount"]) == ("Ready", ["issues", "wiki"], 2)
    assert story.condition(TOOLS, REFS)["status"] == "True"
    await story.reconcile(TOOLS)
    assert story.cluster.writes == []


async def test_what_the_group_says_of_a_server_stands_in_its_entry():
    said = {
        "externalAuthConfigRef": {"name": "keys"},
        "toolConfigRef": {"name": "curated"},
        "caBundleRef": {"configMapRef": {"name": "ca", "key": "ca.crt"}},
    }
    story = listing()
    story.cluster.edit(WIKI, lambda each: each["spec"].update(transport={"tls": {"enabled": True}}))
    ref = {"apiGroup": "mcp.x-k8s.io", "kind": "MCPServer", "name": "wiki", **said}
    story.cluster.edit(TOOLS, lambda group: group.update(spec={"serverRefs": [ref]}))
    await story.reconcile(TOOLS)
    spec = story.live(ENTRY_KIND, "wiki")["spec"]
    assert spec["remoteUrl"] == "https://wiki.default.svc:8080/mcp"
    assert {name: spec[name] for name in said} == said


async def test_a_server_that_is_not_there_is_named_and_taken_when_it_comes():
    story = listing("wiki", "gone", text=LIFECYCLE_SERVERS)
    await story.reconcile(TOOLS)
    condition = story.condition(TOOLS, REFS)
    assert (condition["status"], condition["reason"]) == ("False", "ServerNotFound")
    assert "MCPServer.mcp.x-k8s.io 'gone' does not exist" in condition["message"]
    assert story.status(TOOLS)["phase"] == "Ready"
    assert "1 of 2 members cannot serve: gone" in story.condition(TOOLS, "Ready")["message"]
    gone = Ref(LIFECYCLE_SERVER, "default", "gone")
    story.apply(LIFECYCLE_SERVERS.replace("name: issues,", "name: gone,", 1))
    assert TOOLS in story.woken_by(read_change(gone.kind, story.cluster.objects[gone]))
    story.passes(10)
    await story.reconcile(TOOLS)
    assert story.has(ENTRY_KIND, "gone")
    assert story.condition(TOOLS, REFS)["status"] == "True"


async def test_a_group_of_none_but_a_missing_server_waits_for_it_a_moment_and_fails_then():
    story = listing("gone")
    created = story.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    story.cluster.edit(TOOLS, lambda group: group["metadata"].update(creationTimestamp=created))
    await story.reconcile(TOOLS)
    assert story.status(TOOLS)["phase"] == "Pending"
    story.passes(60)
    await story.reconcile(TOOLS)
    assert story.status(TOOLS)["phase"] == "Failed"


async def test_a_server_whose_own_operator_has_not_come_to_it_is_waited_for_and_an_entry_of_before_stays():
    story = listing("wiki")
    await story.reconcile(TOOLS)
    story.cluster.edit(WIKI, lambda each: each.update(status={}))
    story.passes(10)
    await story.reconcile(TOOLS)
    assert story.has(ENTRY_KIND, "wiki")
    condition = story.condition(TOOLS, REFS)
    assert condition["reason"] == "ServerNotReachable"
    assert "its own operator has not come to it" in condition["message"]


async def test_an_entry_goes_with_its_reference_and_with_its_server_and_no_other_does():
    story = listing("issues", "wiki", text=LIFECYCLE_SERVERS + ENTRY)
    await story.reconcile(TOOLS)
    story.cluster.edit(TOOLS, takes("issues"))
    await story.reconcile(TOOLS)
    assert (story.has(ENTRY_KIND, "issues"), story.has(ENTRY_KIND, "wiki")) == (True, False)
    story.cluster.remove(ISSUES)
    await story.reconcile(TOOLS)
    assert (story.has(ENTRY_KIND, "issues"), story.has(ENTRY_KIND, "docs")) == (False, True)


async def test_an_entry_of_a_person_is_left_alone_and_the_group_says_so():
    story = listing("docs", "issues", text=ENTRY + LIFECYCLE_SERVERS.replace("name: wiki,", "name: docs,"))
    before = story.live(ENTRY_KIND, "docs")["spec"]
    await story.reconcile(TOOLS)
    assert story.live(ENTRY_KIND, "docs")["spec"] == before
    condition = story.condition(TOOLS, REFS)
    assert (condition["status"], condition["reason"]) == ("False", "NameClash")
    assert "not owned by this MCPGroup" in condition["message"]
    assert story.has(ENTRY_KIND, "issues"), "it keeps no other out"


@pytest.mark.parametrize(
    "error", [Denied("MCPServer", 403, "forbidden"), Unavailable("MCPServer", 500, "conversion webhook failed")]
)
async def test_a_server_that_cannot_be_read_is_served_on_and_keeps_no_other_from_the_group(error):
    story = listing("wiki", text=LIFECYCLE_SERVERS + ENTRY)
    await story.reconcile(TOOLS)

    def fail(_verb, ref):
        if ref == WIKI:
            raise error

    story.cluster.fail = fail
    story.cluster.edit(TOOLS, takes("wiki", "issues"))
    story.passes(10)
    assert await story.reconcile(TOOLS) == REFUSED_SECONDS
    assert (story.has(ENTRY_KIND, "wiki"), story.has(ENTRY_KIND, "issues")) == (True, True)
    condition = story.condition(TOOLS, REFS)
    assert (condition["status"], condition["reason"]) == ("False", "ServerNotReachable")
    assert f"'wiki' cannot be reached: it cannot be read: {error.message} (HTTP {error.status})" in condition["message"]
    story.cluster.fail = lambda _verb, _ref: None
    story.passes(10)
    assert await story.reconcile(TOOLS) is None
    assert story.condition(TOOLS, REFS)["status"] == "True"


async def test_an_outage_is_no_news_of_a_server():
    story = listing("wiki")
    await story.reconcile(TOOLS)

    def fail(_verb, ref):
        if ref == WIKI:
            raise Unavailable(str(ref), 503, "starting")

    story.cluster.fail = fail
    with pytest.raises(Unavailable):
        await story.reconcile(TOOLS)
    assert story.has(ENTRY_KIND, "wiki")
    assert story.condition(TOOLS, REFS)["status"] == "True"


async def test_servers_of_a_version_that_is_served_no_more_are_served_on_until_they_are_named_no_more():
    story = bound(serverRefs=[{"name": "wiki"}])
    await story.reconcile(TOOLS)
    await story.reconcile(BINDING)
    story.cluster.hidden.add(LIFECYCLE_SERVER)
    hidden = {ref: story.cluster.objects.pop(ref) for ref in (WIKI, ISSUES)}
    story.passes(60)
    await story.reconcile(TOOLS)
    await story.reconcile(BINDING)
    assert (story.has(ENTRY_KIND, "wiki"), story.has(ENTRY_KIND, "issues")) == (True, True)
    message = (
        "MCPServer.mcp.x-k8s.io 'wiki' cannot be reached: the cluster does not serve mcpservers of mcp.x-k8s.io/v1"
    )
    assert message in story.condition(TOOLS, REFS)["message"]
    assert "the cluster does not serve mcpservers" in story.condition(BINDING, "Registered")["message"]
    story.cluster.objects.update(hidden)
    story.cluster.hidden.clear()
    story.passes(60)
    await story.reconcile(TOOLS)
    assert story.condition(TOOLS, REFS)["status"] == "True"
    story.cluster.hidden.add(LIFECYCLE_SERVER)
    del story.cluster.objects[WIKI]
    story.cluster.edit(TOOLS, takes())
    await story.reconcile(TOOLS)
    assert not story.has(ENTRY_KIND, "wiki")


async def test_an_operator_that_does_not_look_at_such_servers_says_what_to_set_and_changes_nothing():
    story = listing("wiki")
    await story.reconcile(TOOLS)
    story.restart(replace(SETTINGS, lifecycle=False))
    story.cluster.fail = deny
    story.cluster.edit(TOOLS, takes("issues"))
    story.passes(10)
    await story.reconcile(TOOLS)
    assert (story.has(ENTRY_KIND, "issues"), story.has(ENTRY_KIND, "wiki")) == (False, True)
    assert "mcpLifecycle.enabled" in story.condition(TOOLS, REFS)["message"]


async def test_a_binding_puts_its_server_into_the_group_of_its_config():
    story = bound()
    await story.reconcile(BINDING)
    entry = story.live(ENTRY_KIND, "issues")
    assert (entry["spec"]["groupRef"], entry["spec"]["remoteUrl"]) == (
        {"name": "tools"},
        "http://issues.default.svc:9000/rpc",
    )
    (owner,) = entry["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"]) == ("mcp.x-k8s.io/v1alpha1", "MCPGatewayBinding")


async def test_a_binding_is_registered_with_the_url_of_the_endpoint_once_that_serves_the_server():
    story = bound()
    await story.reconcile(BINDING)
    condition = story.condition(BINDING, "Registered")
    assert (condition["status"], condition["reason"]) == ("False", "NotServedYet")
    serve(story)
    assert BINDING in story.woken_by(read_change(vmcp().kind, story.cluster.objects[vmcp()]))
    story.passes(10)
    await story.reconcile(BINDING)
    status = story.status(BINDING)
    assert status["url"] == "http://vmcp-one.default.svc:4483/mcp"
    assert set(status) == {"url", "conditions"}, "the schema of the binding knows no other fields"
    condition = story.condition(BINDING, "Registered")
    assert (condition["status"], condition["reason"]) == ("True", "Registered")
    await story.reconcile(BINDING)
    assert story.cluster.writes == []


async def test_a_server_that_the_endpoint_withholds_is_not_registered_and_the_reason_is_told():
    story = bound()
    serve(story, url=None, status="unavailable", reason="ToolConfigNotFound", message="MCPToolConfig 'x' is not there")
    await story.reconcile(BINDING)
    assert "MCPToolConfig 'x' is not there" in story.condition(BINDING, "Registered")["message"]


async def test_of_several_endpoints_the_config_picks_one_and_none_is_guessed():
    story = bound(VMCP.replace("name: one", "name: two").join(("\n---\n", "")))
    serve(story, "one")
    serve(story, "two")
    await story.reconcile(BINDING)
    assert "url" not in story.status(BINDING)
    assert "several endpoints serve it: one, two" in story.condition(BINDING, "Registered")["message"]
    config = Ref(CONFIG_MAP, "default", "gateway")
    story.cluster.edit(config, lambda each: each["data"].update(endpoint="two"))
    story.passes(10)
    await story.reconcile(BINDING)
    assert story.status(BINDING)["url"] == "http://vmcp-two.default.svc:4483/mcp"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "has no 'group'"),
        ({"group": "tools", "external-auth-config": "keys"}, "has the key 'external-auth-config'"),
        ({"group": "tools", "tool-config": "No Name"}, "toolConfigRef.name"),
        ({"group": "others"}, "MCPGroup 'others' does not exist"),
        ({"group": "../../configmaps"}, "group is '../../configmaps', which no MCPGroup can be called"),
        ({"group": "a,b"}, "group is 'a,b'"),
        ({"group": "x" * 300}, "no MCPGroup can be called"),
        ({"group": "tools", "endpoint": "?watch=true"}, "endpoint is '?watch=true'"),
        ({"group": "tools", "ca-bundle": "../x"}, "caBundleRef.configMapRef.name"),
        ({"group": "tools", "endpoint": "gone"}, "no VirtualMCPServer 'gone' serves MCPGroup 'tools'"),
    ],
)
async def test_a_config_that_cannot_be_used_is_told(data, says):
    story = bound()
    story.cluster.edit(Ref(CONFIG_MAP, "default", "gateway"), lambda each: each.update(data=data))
    await story.reconcile(BINDING)
    condition = story.condition(BINDING, "Registered")
    assert condition["status"] == "False"
    assert says in condition["message"]


@pytest.mark.parametrize("field", ["configRef", "mcpServerRef"])
@pytest.mark.parametrize("name", ["../../../configmaps", "x?watch=true", "..", "A", "a..b", "a/b", "a" * 254])
async def test_a_name_that_no_object_has_is_told_and_nothing_is_read_by_it(field, name):
    story = bound()
    await story.reconcile(BINDING)
    read = []
    story.cluster.fail = lambda _verb, ref: read.append(ref.name)
    story.cluster.edit(BINDING, lambda each: each["spec"].update({field: name}))
    story.passes(10)
    await story.reconcile(BINDING)
    assert name not in read
    assert [each for each in read if not each] == [""], "only entries are listed"
    condition = story.condition(BINDING, "Registered")
    assert (condition["status"], condition["reason"]) == ("False", "Invalid")
    assert f"spec.{field} is {name[:64]!r}" in condition["message"]
    assert story.has(ENTRY_KIND, "issues"), "what was served is served on"


async def test_a_binding_that_names_no_server_is_told():
    story = bound()
    story.cluster.edit(BINDING, lambda each: each["spec"].pop("mcpServerRef"))
    await story.reconcile(BINDING)
    assert "spec.mcpServerRef is ''" in story.condition(BINDING, "Registered")["message"]


async def test_a_failure_is_told_in_a_binding_of_ours_and_in_no_other():
    story = bound()
    await story.reporter.report_failure(BINDING, "entries cannot be listed")
    assert story.condition(BINDING, "Ready")["reason"] == "ReconcileFailed"
    story = bound()
    story.cluster.edit(BINDING, lambda each: each["spec"].update(provider="httproute"))
    await story.reporter.report_failure(BINDING, "entries cannot be listed")
    assert story.cluster.writes == []


async def test_a_binding_without_a_config_or_with_one_that_is_missing_is_told():
    story = bound()
    story.cluster.remove(Ref(CONFIG_MAP, "default", "gateway"))
    await story.reconcile(BINDING)
    assert "ConfigMap 'gateway' does not exist" in story.condition(BINDING, "Registered")["message"]
    story.cluster.edit(BINDING, lambda each: each["spec"].pop("configRef"))
    story.passes(10)
    await story.reconcile(BINDING)
    assert "names no ConfigMap" in story.condition(BINDING, "Registered")["message"]


async def test_a_group_takes_no_server_by_binding_unless_it_says_so_and_lets_one_go_that_it_had():
    story = bound()
    await story.reconcile(BINDING)
    assert story.has(ENTRY_KIND, "issues")
    story.cluster.edit(TOOLS, lambda group: group["spec"].pop("allowGatewayBindings"))
    story.passes(10)
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")
    assert "set its spec.allowGatewayBindings" in story.condition(BINDING, "Registered")["message"]


async def test_while_it_cannot_be_told_what_is_wanted_a_server_is_served_on():
    story = bound()
    await story.reconcile(BINDING)
    story.cluster.edit(Ref(CONFIG_MAP, "default", "gateway"), lambda each: each.update(data={"grp": "tools"}))
    await story.reconcile(BINDING)
    assert story.has(ENTRY_KIND, "issues")


async def test_a_binding_of_another_provider_is_neither_fulfilled_nor_told_and_lets_go_what_was_ours():
    story = bound()
    await story.reconcile(BINDING)
    told = story.status(BINDING)
    story.cluster.edit(BINDING, lambda each: each["spec"].update(provider="httproute"))
    await story.reconcile(BINDING)
    assert not story.has(ENTRY_KIND, "issues")
    assert story.status(BINDING) == told


async def test_a_binding_that_moves_to_another_server_takes_its_entry_along():
    story = bound()
    await story.reconcile(BINDING)
    story.cluster.edit(BINDING, lambda each: each["spec"].update(mcpServerRef="wiki"))
    await story.reconcile(BINDING)
    assert (story.has(ENTRY_KIND, "issues"), story.has(ENTRY_KIND, "wiki")) == (False, True)


async def test_a_server_of_ours_keeps_its_name_from_one_that_the_group_lists():
    story = listing("files", text=SERVER + LIFECYCLE_SERVERS.replace("name: wiki,", "name: files,"))
    await story.reconcile(TOOLS)
    assert not story.has(ENTRY_KIND, "files")
    condition = story.condition(TOOLS, REFS)
    assert (condition["status"], condition["reason"]) == ("False", "NameClash")
    assert "MCPServer.vmcp.dev 'files' of the same name" in condition["message"]
    assert story.status(TOOLS)["phase"] == "Ready"


@pytest.mark.parametrize(
    ("spec", "status", "problem"),
    [
        ({"config": {"port": 8080}}, {}, "its status names no Service yet"),
        ({"config": {"port": 8080}}, {"serviceName": "a.evil.example.com/x"}, "no name of a Service"),
        ({"config": {"port": 8080}}, {"serviceName": ["a"]}, "no name of a Service"),
        ({"config": {"port": 4483}}, {"serviceName": "vmcp-one"}, "as Services of VirtualMCPServers do"),
        ({"config": {"port": 70000}}, {"serviceName": "a"}, "no port"),
        ({"config": {"port": True}}, {"serviceName": "a"}, "no port"),
        ({"config": {"port": 80, "path": "@evil.example.com"}}, {"serviceName": "a"}, "no path"),
        ({"config": {"port": 80, "path": "/a#b"}}, {"serviceName": "a"}, "no path"),
        ({"config": {"port": 80, "path": "/a b"}}, {"serviceName": "a"}, "no path"),
        ({"config": [1]}, {"serviceName": "a"}, "no port"),
        (None, {"serviceName": "a"}, "no port"),
    ],
)
def test_a_server_of_an_odd_shape_has_no_url_and_a_reason(spec, status, problem):
    manifest = {"metadata": {"name": "a", "namespace": "default"}, "spec": spec, "status": status}
    server = parse_server(manifest)
    assert server.url is None
    assert problem in server.problem
