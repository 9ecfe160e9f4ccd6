"""What `vmcp doctor` says first of thirty broken worlds: statuses are those that the operator writes about them."""

from dataclasses import replace

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, ENTRY, ENTRY_WITH_SECRET, GROUP, SERVER, VMCP
from vmcp_api.kinds import KINDS
from vmcp_api.pod_status import BackendReport, LoadError, StoreReport
from vmcp_operator.errors import Rejected
from vmcp_operator.plan.kinds import (
    DEPLOYMENT,
    MCP_GROUP,
    POD,
    SERVICE,
    Ref,
)
from vmcp_operator.plan.kinds import (
    ENTRY as ENTRY_KIND,
)
from vmcp_operator.plan.kinds import (
    SERVER as SERVER_KIND,
)
from vmcp_proxy.cli.kube.diagnosis import Weight, diagnose, is_well
from vmcp_proxy.cli.kube.world import World

FILES = Ref(SERVER_KIND, "default", "files")
DOCS = Ref(ENTRY_KIND, "default", "docs")
TOOLS = Ref(MCP_GROUP, "default", "tools")
OPERATOR = {
    "kind": "Deployment",
    "metadata": {"name": "vmcp-operator", "namespace": "vmcp-system"},
    "spec": {"template": {"spec": {"containers": [{"name": "operator"}]}}},
    "status": {"readyReplicas": 1},
}


def world_of(story, **more):
    """What kubectl would show of the story's endpoint."""
    of_kind = {
        kind: [each for ref, each in story.cluster.objects.items() if ref.kind == kind]
        for kind in (POD, DEPLOYMENT, SERVICE)
    }
    ours = tuple(
        each for ref, each in story.cluster.objects.items() if ref.kind in (MCP_GROUP, SERVER_KIND, ENTRY_KIND)
    )
    return World(
        **{
            "endpoint": story.cluster.objects[ONE],
            "now": story.now,
            "kinds": frozenset(KINDS),
            "operators": (OPERATOR,),
            "resources": ours,
            "service": next((each for each in of_kind[SERVICE] if each["metadata"]["name"] == "vmcp-one"), None),
            "pods": tuple(of_kind[POD]),
            **more,
        }
    )


async def settled(story, *keys, seconds=120):
    """The story once the operator has looked at everything, and once more when time has passed."""
    for _ in range(2):
        for key in (*keys, DOCS, FILES, TOOLS, ONE):
            if key in story.cluster.objects:
                await story.reconcile(key)
        story.passes(seconds)
    return story


def waiting(name, reason, message):
    return {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": name, "state": {"waiting": {"reason": reason, "message": message}}}],
    }


async def edited(change):
    story = await serving()
    story.cluster.edit(ONE, lambda each: change(each["spec"]))
    return await settled(story)


async def with_pod(**status):
    story = Story(ALL)
    await story.reconcile(ONE)
    story.run_pod(ONE, **status)
    return await settled(story)


async def with_backends(*backends, text=ALL, **more):
    story = Story(text)
    await story.reconcile(ONE)
    report = replace(healthy(story), backends=backends, **more)
    story.run_pod(ONE, report=report)
    return await settled(story)


def up(name="files", kind="MCPServer"):
    return BackendReport(name, kind, "healthy", tools=1)


def down(message, name="docs", kind="MCPServerEntry", **more):
    return BackendReport(name, kind, "unhealthy", message=message, **more)


# ---- the worlds


async def without_kinds():
    return world_of(await serving(), kinds=frozenset(KINDS) - {"MCPToolConfig"})


async def without_operator():
    return world_of(await serving(), operators=())


async def operator_without_image():
    pod = {
        "kind": "Pod",
        "metadata": {"name": "vmcp-operator-1", "namespace": "vmcp-system"},
        "status": waiting("operator", "ImagePullBackOff", "no such image"),
    }
    return world_of(await serving(), operators=({**OPERATOR, "status": {}},), operator_pods=(pod,))


async def operator_elsewhere():
    containers = [{"name": "operator", "env": [{"name": "VMCP_NAMESPACES", "value": "other,more"}]}]
    elsewhere = {**OPERATOR, "spec": {"template": {"spec": {"containers": containers}}}}
    return world_of(Story(ALL), operators=(elsewhere,))


async def never_looked_at():
    story = Story(ALL)
    story.cluster.objects[ONE]["metadata"]["creationTimestamp"] = "2026-05-04T11:00:00Z"
    return world_of(story)


async def with_story_of_both():
    """A backend that is down for good beside one of our own servers that has just begun to start."""
    story = Story(ALL)
    await story.reconcile(ONE)
    report = replace(
        healthy(story), backends=(up("docs", "MCPServerEntry"), down("connection refused", "files", "MCPServer"))
    )
    story.run_pod(ONE, report=report)
    return await settled(story)


async def being_deleted():
    story = await serving()
    story.cluster.objects[ONE]["metadata"]["deletionTimestamp"] = "2026-05-04T12:00:00Z"
    return world_of(story)


async def group_missing():
    return world_of(await settled(Story(VMCP)))


async def invalid_spec():
    return world_of(await edited(lambda spec: spec.update(passthroughHeaders=["Host"])))


async def bad_template():
    return world_of(
        await edited(lambda spec: spec.update(podTemplateSpec={"spec": {"containers": [{"image": "nameless"}]}}))
    )


async def oidc_missing():
    auth = {"type": "oidc", "oidcConfigRef": {"name": "nobody", "audience": "one"}}
    return world_of(await edited(lambda spec: spec.update(incomingAuth=auth)))


async def policies_missing():
    auth = {"type": "anonymous", "authzConfigRef": {"name": "nobody"}}
    return world_of(await edited(lambda spec: spec.update(incomingAuth=auth)))


async def telemetry_missing():
    return world_of(await edited(lambda spec: spec.update(telemetryConfigRef={"name": "nobody"})))


async def composite_missing():
    return world_of(await edited(lambda spec: spec.update(config={"compositeToolRefs": [{"name": "nobody"}]})))


async def tool_config_missing():
    tools = [{"workload": "files", "toolConfigRef": {"name": "nobody"}}]
    return world_of(await edited(lambda spec: spec.update(config={"aggregation": {"tools": tools}})))


async def image_missing():
    return world_of(await with_pod(**waiting("vmcp", "ImagePullBackOff", "manifest unknown")))


async def crash_loop():
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"exitCode": 3, "message": "vmcp: the config cannot be read"}}
    statuses = [{"name": "vmcp", "state": state, "lastState": last, "restartCount": 5}]
    return world_of(await with_pod(conditions=[], containerStatuses=statuses))


async def no_node():
    said = "0/3 nodes are available: 3 Insufficient cpu"
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}]
    return world_of(await with_pod(phase="Pending", conditions=conditions))


async def volume_missing():
    return world_of(await with_pod(**waiting("vmcp", "ContainerCreating", "")))


async def silent_pods():
    return world_of(await with_pod())


async def scaled_to_zero():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(replicas=0))
    await story.reconcile(ONE)
    deployment = story.live(DEPLOYMENT, "vmcp-one")
    deployment["status"] |= {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": 0,
        "readyReplicas": 0,
    }
    story.cluster.remove(Ref(POD, "default", "pod-1"))
    return world_of(await settled(story))


async def quota():
    story = Story(ALL)

    def refuse(verb, ref):
        if verb == "apply" and ref.kind is DEPLOYMENT:
            raise Rejected("Deployment/vmcp-one", 403, "exceeded quota: pods=0")

    story.cluster.fail = refuse
    return world_of(await settled(story))


async def config_refused():
    return world_of(
        await with_backends(up(), load_error=LoadError("authorization.policies[0]", "unexpected token `allow`"))
    )


async def redis_away():
    redis = {"provider": "redis", "address": "redis:6379"}
    story = Story(ALL)
    story.cluster.edit(ONE, lambda each: each["spec"].update(sessionStorage=redis))
    await story.reconcile(ONE)
    away = StoreReport("unavailable", "Redis at redis:6379 refuses the connection")
    story.run_pod(ONE, report=healthy(story, "files", "docs", store=away))
    return world_of(await settled(story))


async def sessions_not_shared():
    story = await serving()
    story.cluster.edit(Ref(DEPLOYMENT, "default", "vmcp-one"), lambda each: each["spec"].update(replicas=2))
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    story.run_pod(ONE, "pod-2", report=healthy(story, "files", "docs"))
    return world_of(await settled(story))


async def backend_down():
    return world_of(await with_backends(up(), down("docs.example.com does not resolve")))


async def nobody_answers():
    return world_of(await with_backends(down("connection refused", "files", "MCPServer"), down("no route")))


async def circuit_open():
    return world_of(await with_backends(up(), down("five failures in a row", circuit="open")))


async def server_without_image():
    story = Story(ALL)
    await story.reconcile(ONE)
    await story.reconcile(FILES)
    story.run_pod(FILES, "files-1", **waiting("mcp", "ErrImagePull", "registry.test/files:1: not found"))
    story.run_pod(
        ONE,
        report=replace(
            healthy(story), backends=(down("connection refused", "files", "MCPServer"), up("docs", "MCPServerEntry"))
        ),
    )
    return world_of(await settled(story))


async def name_clash():
    twin = SERVER.replace("files", "docs")
    return world_of(await with_backends(up(), text=ALL + twin))


async def secret_missing():
    report = {"missing_secrets": ("billing/api-key",)}
    away = BackendReport(
        "billing", "MCPServerEntry", "withheld", reason="SecretMissing", message="Secret billing has no key api-key"
    )
    return world_of(await with_backends(up(), away, text=VMCP + GROUP + SERVER + ENTRY_WITH_SECRET, **report))


async def auth_config_missing():
    entry = ENTRY + "  externalAuthConfigRef: {name: nobody}\n"
    return world_of(await with_backends(up(), text=VMCP + GROUP + SERVER + entry))


async def pods_broken_and_no_operator():
    story = Story(ALL)
    await story.reconcile(ONE)
    story.run_pod(ONE, **waiting("vmcp", "CreateContainerConfigError", "configmap vmcp-one not found"))
    return world_of(story, operators=())


ENDPOINT = "VirtualMCPServer one"
BROKEN = (
    (without_kinds, "cluster", "KindsMissing", "MCPToolConfig; install or upgrade the chart vmcp-operator-crds"),
    (without_operator, "operator", "NoOperator", "install or upgrade the chart vmcp-operator"),
    (operator_without_image, "operator", "OperatorNotReady", "no such image"),
    (operator_elsewhere, "operator", "NotWatched", "rbac.namespaces"),
    (pods_broken_and_no_operator, "operator", "NoOperator", "statuses are as it left them"),
    (never_looked_at, ENDPOINT, "NotObserved", "kubectl vmcp logs --operator"),
    (being_deleted, ENDPOINT, "Deleted", "being deleted"),
    (group_missing, ENDPOINT, "GroupNotFound", "MCPGroup 'tools' does not exist in this namespace; create it"),
    (invalid_spec, ENDPOINT, "Invalid", "spec.passthroughHeaders[0]: Host"),
    (bad_template, ENDPOINT, "PodTemplateInvalid", "podTemplateSpec"),
    (oidc_missing, ENDPOINT, "OIDCConfigNotFound", "MCPOIDCConfig 'nobody' does not exist"),
    (policies_missing, ENDPOINT, "AuthzConfigNotFound", "MCPAuthzConfig 'nobody' does not exist"),
    (telemetry_missing, ENDPOINT, "TelemetryConfigNotFound", "MCPTelemetryConfig 'nobody' does not exist"),
    (composite_missing, ENDPOINT, "CompositeToolRefNotFound", "VirtualMCPCompositeToolDefinition 'nobody'"),
    (tool_config_missing, ENDPOINT, "ToolConfigNotFound", "MCPToolConfig 'nobody' does not exist"),
    (quota, ENDPOINT, "Refused", "exceeded quota"),
    (image_missing, ENDPOINT, "ImagePullFailed", "correct the image or the pull secret"),
    (crash_loop, ENDPOINT, "CrashLoop", "the config cannot be read; read its log"),
    (no_node, ENDPOINT, "Unschedulable", "3 Insufficient cpu"),
    (volume_missing, ENDPOINT, "ContainerCreating", "a Secret or ConfigMap that does not exist"),
    (silent_pods, ENDPOINT, "RollingOut", "0 of 1 pods run the present config"),
    (scaled_to_zero, ENDPOINT, "ScaledToZero", "set replicas to serve"),
    (config_refused, ENDPOINT, "ConfigRefused", "unexpected token `allow`"),
    (redis_away, ENDPOINT, "StoreUnavailable", "check sessionStorage and the Redis service"),
    (sessions_not_shared, ENDPOINT, "SessionsNotShared", "set sessionStorage.provider to redis"),
    (secret_missing, ENDPOINT, "SecretNotFound", "billing/api-key; create them"),
    (auth_config_missing, ENDPOINT, "ExternalAuthConfigNotFound", "MCPExternalAuthConfig 'nobody' does not exist"),
    (backend_down, "MCPServerEntry docs", "Unavailable", "docs.example.com does not resolve"),
    (nobody_answers, "MCPServerEntry docs", "Unavailable", "no route"),
    (circuit_open, "MCPServerEntry docs", "Unavailable", "five failures in a row"),
    (server_without_image, "MCPServer files", "ImagePullFailed", "registry.test/files:1: not found"),
    (name_clash, "MCPServerEntry docs", "Invalid", "rename one of the two"),
)


@pytest.mark.scenario("K-28")
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each[0].__name__)
async def test_the_first_thing_to_mend_is_named(broken):
    build, subject, reason, words = broken
    found = diagnose(await build())
    first = found[0]
    assert (first.subject, first.reason) == (subject, reason)
    assert words in first.message
    assert not is_well(found)
    # Nothing is told twice.
    assert len({(each.subject, each.reason) for each in found}) == len(found)


@pytest.mark.scenario("K-28")
async def test_of_a_world_that_is_whole_there_is_nothing_to_mend():
    found = diagnose(world_of(await settled(await serving(VMCP + GROUP + ENTRY, "docs"))))
    assert found == ()


@pytest.mark.scenario("K-28")
async def test_what_time_may_end_comes_last_and_what_warns_of_nothing_broken_is_a_note():
    story = await with_story_of_both()
    found = diagnose(world_of(story, unread=('pods is forbidden: User "eve" cannot list pods',)))
    assert [each.weight for each in found] == sorted(
        (each.weight for each in found), key=[Weight.STOPS, Weight.LIMITS, Weight.WAITS, Weight.NOTE].index
    )
    assert found[-1].subject == "you"
    assert "forbidden" in found[-1].message


@pytest.mark.scenario("K-28")
async def test_what_takes_its_time_beside_an_endpoint_that_is_ready_is_a_note():
    story = await serving(VMCP + GROUP + ENTRY, "docs")
    loading = {"type": "ConfigLoaded", "status": "False", "reason": "Loading", "message": "0 of 1 ready pods"}
    live = story.cluster.objects[ONE]
    live["status"]["conditions"] = [each for each in live["status"]["conditions"] if each["type"] != "ConfigLoaded"]
    live["status"]["conditions"].append(loading)
    found = diagnose(world_of(story))
    assert [(each.reason, each.weight) for each in found] == [("Loading", Weight.NOTE)]
    assert is_well(found)
