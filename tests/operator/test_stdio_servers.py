"""MCPServers of transport stdio: a process, its bridge, and what both come to (ADR-0058)."""

from dataclasses import replace

import pytest

from tests.operator.endpoints import ONE, healthy
from tests.operator.harness import SETTINGS, Story
from tests.operator.manifests import ALL, GROUP, SERVER
from vmcp_api.config import ProxyConfig
from vmcp_api.pod_status import PodStatus
from vmcp_operator.errors import Denied, Rejected
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    POD,
    ROLE,
    ROLE_BINDING,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    STDIO_OWNED,
    VMCP,
    Ref,
)
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND
from vmcp_operator.plan.objects.naming import labels, process_labels
from vmcp_operator.plan.world import Target
from vmcp_operator.reconcile.dependents import Change

FILES = Ref(SERVER_KIND, "default", "files")
ENABLED = replace(SETTINGS, stdio=True)
BRIDGE = "mcp-files-bridge"


def stdio(text: str = SERVER + GROUP, settings=ENABLED, **spec) -> Story:
    story = Story(text, settings)
    story.cluster.edit(FILES, lambda each: each["spec"].update(transport="stdio", **spec))
    return story


def deny_stdio(verb: str, ref: Ref) -> None:
    """What the operator may not do where the chart has not enabled stdio."""
    if ref.kind in STDIO_OWNED:
        raise Denied(str(ref), 403, "forbidden")


def allow(verb: str, ref: Ref) -> None:
    """Every right is there."""


def run_process(story: Story, **status) -> None:
    """Plays the StatefulSet's controller and the kubelet."""
    workload = story.cluster.objects[Ref(STATEFUL_SET, "default", "mcp-files")]
    pod = story._owned(POD, "mcp-files-0", FILES, workload)
    pod["metadata"]["labels"] = labels(FILES) | process_labels(FILES)
    pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **status}
    ready = int(pod["status"]["conditions"] != [])
    workload["status"] = {
        "observedGeneration": workload["metadata"]["generation"],
        "replicas": 1,
        "readyReplicas": ready,
        "updatedReplicas": 1,
        "currentRevision": "a",
        "updateRevision": "a",
    }


@pytest.mark.scenario("K-18")
async def test_the_image_runs_in_a_pod_of_a_known_name_with_a_standard_input_and_no_terminal():
    story = stdio(env=[{"name": "A", "value": "b"}], secrets=[{"name": "s", "key": "TOKEN"}], args=["--x"])
    await story.reconcile(FILES)
    spec = story.live(STATEFUL_SET, "mcp-files")["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"]) == (1, "Parallel")
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["name"], container["stdin"], container["stdinOnce"], "tty" in container) == (
        "mcp",
        True,
        True,
        False,
    )
    assert [each["name"] for each in container["env"]] == ["A", "TOKEN"]
    assert container["args"] == ["--x"]
    assert "ports" not in container
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.scenario("K-18")
async def test_a_bridge_serves_it_behind_the_service_and_may_attach_to_that_pod_alone():
    story = stdio(mcpPort=9090)
    await story.reconcile(FILES)
    spec = story.live(DEPLOYMENT, "mcp-files")["spec"]
    pod = spec["template"]["spec"]
    assert (spec["strategy"], spec["replicas"]) == ({"type": "Recreate"}, 1)
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (BRIDGE, True)
    (container,) = pod["containers"]
    assert container["image"] == SETTINGS.image
    assert container["args"] == [
        "bridge",
        "--name=files",
        "--namespace=default",
        "--pod=mcp-files-0",
        "--container=mcp",
        "--port=9090",
        "--admin-port=9091",
    ]
    assert story.has(SERVICE_ACCOUNT, BRIDGE)
    assert story.live(ROLE, BRIDGE)["rules"] == [
        {"apiGroups": [""], "resources": ["pods/attach"], "resourceNames": ["mcp-files-0"], "verbs": ["create", "get"]},
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["mcp-files-0"], "verbs": ["delete"]},
    ]
    binding = story.live(ROLE_BINDING, BRIDGE)
    assert binding["roleRef"]["name"] == BRIDGE
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": BRIDGE, "namespace": "default"}]
    for kind, name in ((STATEFUL_SET, "mcp-files"), (ROLE, BRIDGE), (ROLE_BINDING, BRIDGE), (SERVICE_ACCOUNT, BRIDGE)):
        assert story.live(kind, name)["metadata"]["ownerReferences"][0]["name"] == "files"
    service = story.live(SERVICE, "mcp-files")["spec"]
    assert service["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    process = story.live(STATEFUL_SET, "mcp-files")["spec"]["template"]["metadata"]["labels"]
    assert not service["selector"].items() <= process.items()
    assert story.status(FILES)["url"] == "http://mcp-files.default.svc:9090/mcp"


@pytest.mark.scenario("K-18")
async def test_it_is_ready_when_process_and_bridge_are_and_left_alone_then():
    story = stdio()
    await story.reconcile(FILES)
    story.run_pod(FILES, "bridge-1")
    await story.reconcile(FILES)
    assert story.status(FILES)["phase"] == "Pending"
    run_process(story)
    story.passes(10)
    await story.reconcile(FILES)
    assert (story.status(FILES)["phase"], story.status(FILES)["readyReplicas"]) == ("Ready", 1)
    await story.reconcile(FILES)
    assert story.cluster.writes == []


@pytest.mark.scenario("K-8", "K-18")
async def test_a_process_that_crashes_is_told_in_its_own_words():
    story = stdio()
    await story.reconcile(FILES)
    story.run_pod(FILES, "bridge-1", conditions=[])
    waiting = {"name": "mcp", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    run_process(story, phase="Pending", conditions=[], containerStatuses=[waiting])
    await story.reconcile(FILES)
    assert story.status(FILES)["phase"] == "Failed"
    assert "no such image" in story.status(FILES)["message"]


@pytest.mark.scenario("K-18")
async def test_the_pod_template_is_about_the_process_and_not_about_its_bridge():
    patch = {"spec": {"nodeSelector": {"disk": "fast"}, "containers": [{"name": "mcp", "workingDir": "/data"}]}}
    story = stdio(podTemplateSpec=patch)
    await story.reconcile(FILES)
    process = story.live(STATEFUL_SET, "mcp-files")["spec"]["template"]["spec"]
    assert (process["nodeSelector"], process["containers"][0]["workingDir"]) == ({"disk": "fast"}, "/data")
    assert "nodeSelector" not in story.live(DEPLOYMENT, "mcp-files")["spec"]["template"]["spec"]


@pytest.mark.scenario("K-18")
async def test_no_process_and_no_bridge_run_where_it_is_scaled_to_zero():
    story = stdio(replicas=0)
    await story.reconcile(FILES)
    assert story.live(STATEFUL_SET, "mcp-files")["spec"]["replicas"] == 0
    assert story.live(DEPLOYMENT, "mcp-files")["spec"]["replicas"] == 0


@pytest.mark.scenario("K-18")
async def test_another_transport_takes_away_what_only_stdio_needs():
    story = stdio(networkPolicy={"enabled": True})
    await story.reconcile(FILES)
    assert story.has(NETWORK_POLICY, "mcp-files")
    story.cluster.edit(FILES, lambda each: each["spec"].update(transport="streamable-http"))
    await story.reconcile(FILES)
    kinds = {ref.kind for ref in story.cluster.objects}
    assert kinds.isdisjoint(STDIO_OWNED)
    assert not story.has(SERVICE_ACCOUNT, BRIDGE)
    assert story.live(DEPLOYMENT, "mcp-files")["spec"]["template"]["spec"]["containers"][0]["name"] == "mcp"


@pytest.mark.scenario("K-18")
async def test_a_change_of_any_child_wakes_the_server():
    story = stdio()
    await story.reconcile(FILES)
    for kind, name in ((STATEFUL_SET, "mcp-files"), (ROLE, BRIDGE), (ROLE_BINDING, BRIDGE), (SERVICE_ACCOUNT, BRIDGE)):
        assert FILES in story.woken_by(Change(Ref(kind, "default", name)))


@pytest.mark.scenario("K-18")
async def test_without_the_right_a_stdio_server_says_what_to_set_and_nothing_of_it_is_read_or_made():
    story = stdio(settings=SETTINGS)
    story.cluster.fail = deny_stdio
    await story.reconcile(FILES)
    status = story.status(FILES)
    assert (status["phase"], story.condition(FILES, "Valid")["reason"]) == ("Failed", "UnsupportedTransport")
    assert "set stdio.enabled=true" in status["message"]
    assert not story.has(DEPLOYMENT, "mcp-files")


@pytest.mark.scenario("K-18")
async def test_switched_off_the_bridge_stops_and_loses_its_token_and_what_is_left_is_named():
    story = stdio()
    await story.reconcile(FILES)
    story.run_pod(FILES, "bridge-1")
    run_process(story)
    story.restart(SETTINGS)
    story.cluster.fail = deny_stdio
    await story.reconcile(FILES)
    assert story.live(DEPLOYMENT, "mcp-files")["spec"]["replicas"] == 0
    assert not story.has(SERVICE_ACCOUNT, BRIDGE)
    assert story.has(SERVICE_ACCOUNT, "mcp-files")
    said = story.status(FILES)["message"]
    assert "set stdio.enabled=true" in said
    assert "StatefulSet mcp-files, Role mcp-files-bridge and RoleBinding mcp-files-bridge may be left" in said
    await story.reconcile(FILES)
    assert story.cluster.writes == []
    story.restart(ENABLED)
    story.cluster.fail = allow
    await story.reconcile(FILES)
    assert story.live(DEPLOYMENT, "mcp-files")["spec"]["replicas"] == 1
    assert story.has(SERVICE_ACCOUNT, BRIDGE)


@pytest.mark.scenario("K-18")
async def test_switched_off_by_who_keeps_the_rights_everything_goes():
    story = stdio()
    await story.reconcile(FILES)
    story.restart(SETTINGS)
    await story.reconcile(FILES)
    assert {ref.kind for ref in story.cluster.objects}.isdisjoint(STDIO_OWNED)


@pytest.mark.scenario("K-18")
async def test_switched_off_a_server_that_was_none_before_serves_on():
    story = Story(SERVER + GROUP)
    await story.reconcile(FILES)
    story.cluster.edit(FILES, lambda each: each["spec"].update(transport="stdio"))
    await story.reconcile(FILES)
    assert story.live(DEPLOYMENT, "mcp-files")["spec"].get("replicas", 1) == 1
    assert story.status(FILES)["phase"] == "Failed"


@pytest.mark.scenario("K-18")
async def test_nothing_of_stdio_is_read_for_other_servers():
    story = Story(SERVER + GROUP, ENABLED)
    read = set()
    story.cluster.fail = lambda verb, ref: read.add(ref.kind)
    for _ in range(2):
        await story.reconcile(FILES)
    assert read.isdisjoint(STDIO_OWNED)


@pytest.mark.scenario("K-18")
async def test_what_could_not_be_deleted_for_another_transport_is_tried_again():
    story = stdio()
    await story.reconcile(FILES)
    story.cluster.edit(FILES, lambda each: each["spec"].update(transport="streamable-http"))

    def refuse(verb: str, ref: Ref) -> None:
        if verb == "delete" and ref.kind == ROLE:
            raise Rejected(str(ref), 403, "a webhook says no")

    story.cluster.fail = refuse
    for _ in range(2):
        assert await story.reconcile(FILES)
        assert "a webhook says no" in story.status(FILES)["message"]
    story.cluster.fail = allow
    await story.reconcile(FILES)
    assert {ref.kind for ref in story.cluster.objects}.isdisjoint(STDIO_OWNED)


@pytest.mark.scenario("K-18", "K-28")
async def test_why_a_bridge_is_not_ready_is_told_in_its_own_words():
    story = stdio(mcpPort=9090, networkPolicy={"enabled": True})
    await story.reconcile(FILES)
    probing = [{"name": "vmcp", "ready": False, "started": True, "restartCount": 0, "state": {"running": {}}}]
    unready = [{"type": "Ready", "status": "False"}]
    report = PodStatus(lack="the API server answers 403: pods/attach is forbidden")
    uid = story.run_pod(FILES, "bridge-1", report=report, conditions=unready, containerStatuses=probing)
    run_process(story)
    story.passes(60)
    await story.reconcile(FILES)
    assert story.pods.targets[FILES] == (Target(uid, "192.0.2.1", is_ready=False, port=9091),)
    ready = story.condition(FILES, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "BridgeNotReady")
    assert "pods/attach is forbidden" in ready["message"]
    operator, admin = story.live(NETWORK_POLICY, "mcp-files")["spec"]["ingress"][1].values()
    assert operator[0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "vmcp-system"}
    assert admin == [{"port": 9091, "protocol": "TCP"}]
    story.cluster.edit(FILES, lambda each: each["spec"].update(transport="streamable-http"))
    await story.reconcile(FILES)
    assert story.pods.targets[FILES] == ()


@pytest.mark.scenario("K-18")
@pytest.mark.parametrize("settings", [SETTINGS, ENABLED])
async def test_an_endpoint_serves_it_as_any_server_or_says_why_not(settings):
    story = stdio(ALL, settings, headerForward={"addPlaintextHeaders": {"X-A": "b"}})
    key = next(ref for ref in story.cluster.objects if ref.kind == VMCP)
    await story.reconcile(key)
    (found,) = [
        each for ref, each in story.cluster.objects.items() if ref.kind == CONFIG_MAP and "config.json" in each["data"]
    ]
    config = ProxyConfig.model_validate_json(found["data"]["config.json"], by_alias=True, by_name=False)
    if settings.stdio:
        backend = next(each for each in config.backends if each.name == "files")
        assert (backend.transport, backend.url) == ("streamable-http", "http://mcp-files.default.svc:8080/mcp")
        assert not backend.header_forward.add_plaintext_headers
    else:
        withheld = next(each for each in config.withheld if each.name == "files")
        assert withheld.reason == "UnsupportedTransport"
        assert "set stdio.enabled=true" in withheld.message


@pytest.mark.scenario("K-9", "K-18")
async def test_an_endpoint_does_not_serve_a_bridge_whose_process_cannot_run_and_says_why():
    story = stdio(ALL, ENABLED)
    await story.reconcile(FILES)
    story.run_pod(FILES, "bridge-1")
    waiting = {"name": "mcp", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
    run_process(story, phase="Pending", conditions=[], containerStatuses=[waiting])
    await story.reconcile(FILES)
    await story.reconcile(ONE)
    # The bridge answers for itself, and has no tools.
    files, docs = healthy(story, "files", "docs").backends
    story.run_pod(ONE, "proxy-1", report=replace(healthy(story), backends=(replace(files, tools=0), docs)))
    story.passes(10)
    await story.reconcile(ONE)
    told = {each["name"]: each for each in story.status(ONE)["backends"]}
    assert (story.status(ONE)["phase"], story.status(ONE)["backendSummary"]) == ("Degraded", "1/2")
    assert (told["files"]["status"], told["docs"]["status"]) == ("unavailable", "ready")
    assert "no such image" in told["files"]["message"]
    # Of a process that has answered the pod knows more.
    story.run_pod(ONE, "proxy-1", report=healthy(story, "files", "docs"))
    story.passes(10)
    await story.reconcile(ONE)
    assert story.status(ONE)["backendSummary"] == "2/2"
