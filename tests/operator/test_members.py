import pytest

from tests.operator.harness import Story, vmcp
from tests.operator.manifests import ALL, ENTRY, GROUP, SERVER, VMCP
from tests.support.certificates import CA_CERTIFICATE
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    MCP_GROUP,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
    Ref,
)
from vmcp_operator.plan.kinds import (
    ENTRY as ENTRY_KIND,
)
from vmcp_operator.plan.kinds import (
    SERVER as SERVER_KIND,
)

FILES = Ref(SERVER_KIND, "default", "files")
DOCS = Ref(ENTRY_KIND, "default", "docs")
TOOLS = Ref(MCP_GROUP, "default", "tools")


async def test_a_server_runs_restricted_behind_a_service_of_its_name():
    story = Story(SERVER + GROUP)
    await story.reconcile(FILES)
    spec = story.live(DEPLOYMENT, "mcp-files")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert story.live(SERVICE, "mcp-files")["spec"]["ports"][0]["port"] == 8080
    assert story.has(SERVICE_ACCOUNT, "mcp-files")
    status = story.status(FILES)
    assert (status["phase"], status["url"]) == ("Pending", "http://mcp-files.default.svc:8080/mcp")


@pytest.mark.scenario("K-3")
async def test_a_server_that_runs_is_ready_and_left_alone():
    story = Story(SERVER + GROUP)
    await story.reconcile(FILES)
    story.run_pod(FILES)
    story.passes(10)
    await story.reconcile(FILES)
    assert story.status(FILES)["phase"] == "Ready"
    await story.reconcile(FILES)
    assert story.cluster.writes == []


@pytest.mark.scenario("K-8")
async def test_a_server_whose_image_cannot_be_pulled_fails_with_the_reason():
    story = Story(SERVER + GROUP)
    await story.reconcile(FILES)
    waiting = {"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}, "name": "mcp"}
    story.run_pod(FILES, phase="Pending", conditions=[], containerStatuses=[waiting])
    await story.reconcile(FILES)
    assert story.status(FILES)["phase"] == "Failed"
    assert "not found" in story.status(FILES)["message"]


async def test_the_network_policy_of_a_server_lets_proxy_pods_in_and_goes_when_it_is_off():
    story = Story(SERVER + GROUP)
    story.cluster.edit(FILES, lambda each: each["spec"].update(networkPolicy={"enabled": True}))
    await story.reconcile(FILES)
    (rule,) = story.live(NETWORK_POLICY, "mcp-files")["spec"]["ingress"]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "proxy"
    story.cluster.edit(FILES, lambda each: each["spec"].pop("networkPolicy"))
    await story.reconcile(FILES)
    assert not story.has(NETWORK_POLICY, "mcp-files")


async def test_secrets_of_a_server_reach_its_environment_by_reference():
    story = Story(SERVER + GROUP)
    secrets = [{"name": "files", "key": "TOKEN"}, {"name": "files", "key": "x", "targetEnvName": "OTHER"}]
    env = [{"name": "PORT", "value": "8080"}]
    story.cluster.edit(FILES, lambda each: each["spec"].update(secrets=secrets, env=env))
    await story.reconcile(FILES)
    container = story.live(DEPLOYMENT, "mcp-files")["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [
        {"name": "PORT", "value": "8080"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "files", "key": "TOKEN"}}},
        {"name": "OTHER", "valueFrom": {"secretKeyRef": {"name": "files", "key": "x"}}},
    ]


@pytest.mark.scenario("K-7")
async def test_a_server_without_its_group_runs_and_says_so():
    story = Story(SERVER)
    await story.reconcile(FILES)
    condition = story.condition(FILES, "GroupRefValidated")
    assert (condition["status"], condition["reason"]) == ("False", "GroupNotFound")
    assert "create it" in condition["message"]
    assert story.has(DEPLOYMENT, "mcp-files")


async def test_a_group_lists_members_and_endpoints_and_is_left_alone():
    story = Story(ALL)
    await story.reconcile(TOOLS)
    status = story.status(TOOLS)
    assert (status["servers"], status["entries"], status["virtualServers"]) == (["files"], ["docs"], ["one"])
    assert (status["phase"], status["serverCount"]) == ("Ready", 1)
    await story.reconcile(TOOLS)
    assert story.cluster.writes == []
    story.cluster.remove(FILES)
    story.passes(6)
    await story.reconcile(TOOLS)
    assert "servers" not in story.status(TOOLS)
    assert story.status(TOOLS)["serverCount"] == 0


@pytest.mark.scenario("K-7")
async def test_an_entry_needs_its_group_and_its_ca_bundle():
    story = Story(ENTRY)
    await story.reconcile(DOCS)
    assert story.status(DOCS)["phase"] == "Failed"
    assert "MCPGroup 'tools'" in story.status(DOCS)["message"]
    story.apply(GROUP)
    bundle = {"configMapRef": {"name": "ca"}}
    story.cluster.edit(DOCS, lambda each: each["spec"].update(caBundleRef=bundle))
    story.passes(6)
    await story.reconcile(DOCS)
    assert "ConfigMap 'ca' does not exist" in story.status(DOCS)["message"]
    story.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: ca, namespace: default}, data: {ca.crt: pem}}")
    story.passes(6)
    await story.reconcile(DOCS)
    assert story.status(DOCS)["phase"] == "Failed"
    assert "holds no usable PEM certificate" in story.status(DOCS)["message"]
    story.cluster.edit(Ref(CONFIG_MAP, "default", "ca"), lambda each: each["data"].update({"ca.crt": CA_CERTIFICATE}))
    await story.reconcile(DOCS)
    assert story.status(DOCS)["phase"] == "Valid"
    await story.reconcile(DOCS)
    assert story.cluster.writes == []


@pytest.mark.parametrize("broken", [{}, {"transport": "gopher"}], ids=["valid", "invalid"])
async def test_an_entry_whose_name_a_server_of_its_group_has_does_not_say_that_it_can_be_served(broken):
    story = Story(GROUP + ENTRY + SERVER.replace("files", "docs"))
    twin = Ref(SERVER_KIND, "default", "docs")
    story.cluster.edit(twin, lambda each: each["spec"].update(broken))
    await story.reconcile(DOCS)
    assert story.status(DOCS)["phase"] == "Failed"
    assert "an MCPServer of the same name is in the group" in story.status(DOCS)["message"]
    story.passes(6)
    story.cluster.edit(twin, lambda each: each["spec"].update(groupRef={"name": "others"}))
    await story.reconcile(DOCS)
    assert story.status(DOCS)["phase"] == "Valid"


async def test_a_member_that_does_not_validate_is_withheld_by_name_and_the_others_are_served():
    story = Story(VMCP + GROUP + SERVER + ENTRY)
    story.cluster.edit(DOCS, lambda each: each["spec"].update(remoteUrl="gopher://x"))
    one = next(ref for ref in story.cluster.objects if ref.name == "one")
    await story.reconcile(one)
    backends = {each["name"]: each for each in story.status(one)["backends"]}
    assert backends["docs"]["reason"] == "Invalid"
    assert "remoteUrl" in backends["docs"]["message"]
    assert backends["files"]["status"] == "unknown"


@pytest.mark.scenario("K-26")
async def test_a_group_is_ready_while_a_member_may_serve_and_names_those_that_may_not():
    story = Story(ALL)
    story.cluster.edit(FILES, lambda each: each.update(status={"phase": "Failed"}))
    await story.reconcile(TOOLS)
    ready = story.condition(TOOLS, "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "SomeMembersFailed")
    assert "1 of 2 members cannot serve: files" in ready["message"]
    story.cluster.edit(DOCS, lambda each: each["spec"].update(remoteUrl="gopher://x"))
    await story.reconcile(TOOLS)
    assert (story.status(TOOLS)["phase"], story.condition(TOOLS, "Ready")["reason"]) == ("Failed", "NoMemberReady")
    story.cluster.edit(FILES, lambda each: each.update(status={"phase": "Pending"}))
    await story.reconcile(TOOLS)
    assert story.status(TOOLS)["phase"] == "Ready"


async def test_a_server_and_an_entry_without_their_group_say_the_same():
    story = Story(SERVER + ENTRY)
    for key in (FILES, DOCS):
        await story.reconcile(key)
        assert (story.status(key)["phase"], story.condition(key, "Ready")["reason"]) == ("Failed", "GroupNotFound")


@pytest.mark.scenario("K-7")
async def test_a_group_that_is_there_and_not_valid_is_not_told_to_be_missing():
    story = Story(VMCP + GROUP + SERVER + ENTRY)
    story.cluster.edit(TOOLS, lambda each: each.update(spec={"description": 1}))
    for key in (FILES, DOCS, vmcp()):
        await story.reconcile(key)
        condition = story.condition(key, "GroupRefValidated")
        assert (condition["status"], condition["reason"]) == ("False", "GroupInvalid")
        assert "MCPGroup 'tools' is not valid" in condition["message"]
        assert "does not exist" not in condition["message"]
