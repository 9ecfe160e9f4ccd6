"""What a status says while pods start, roll and crash: of the present generation, and from history."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, GROUP, SERVER
from vmcp_api.pod_status import StoreReport
from vmcp_operator.plan.kinds import DEPLOYMENT, EVENT, Ref
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND

FILES = Ref(SERVER_KIND, "default", "files")
SIZES = {"spec": {"containers": [{"name": "vmcp", "resources": {"requests": {"cpu": "1"}}}]}}


def ready(story, key=ONE):
    condition = story.condition(key, "Ready")
    return condition["status"], condition["reason"]


def stamp(story, seconds=0.0):
    return (story.now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def roll(story, name, *, updated, total, wanted=1, reason="ReplicaSetUpdated"):
    """Plays the Deployment's controller in the middle of a rollout."""
    deployment = story.live(DEPLOYMENT, name)
    deployment["status"] = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": wanted,
        "conditions": [{"type": "Progressing", "status": "True", "reason": reason}],
    }


def events(story, key):
    found = [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT]
    return [each["note"].split(":")[0] for each in found if each["regarding"]["name"] == key.name]


@pytest.mark.scenario("K-23")
async def test_ready_speaks_of_the_generation_whose_pods_are_there():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(podTemplateSpec=SIZES))
    await story.reconcile(ONE)
    # The Deployment's controller has not looked yet: the status still tells of the generation before.
    assert story.status(ONE)["observedGeneration"] == 1
    roll(story, "vmcp-one", updated=1, total=2)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], ready(story)) == ("Pending", ("False", "RollingOut"))
    assert story.status(ONE)["observedGeneration"] == 2
    assert "1 of 1 pods are of the present generation, the former serve" in story.status(ONE)["message"]
    assert story.status(ONE)["backendSummary"] == "2/2"
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], ready(story)) == ("Ready", ("True", "Serving"))


@pytest.mark.scenario("K-23")
async def test_a_generation_that_only_changes_the_config_is_ready_once_every_pod_runs_it():
    story = await serving()
    before = healthy(story, "files", "docs")
    story.cluster.edit(ONE, lambda each: each["spec"].update(passthroughHeaders=["X-A"]))
    await story.reconcile(ONE)
    assert ready(story) == ("False", "RollingOut")
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    story.run_pod(ONE, "pod-2", report=before)
    story.passes(5)
    await story.reconcile(ONE)
    assert ready(story) == ("False", "RollingOut")
    assert "1 of 2 pods run the present config" in story.status(ONE)["message"]
    story.run_pod(ONE, "pod-2", report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert ready(story) == ("True", "Serving")


@pytest.mark.scenario("K-23")
async def test_a_server_is_ready_for_the_generation_that_runs():
    story = Story(SERVER + GROUP)
    await story.reconcile(FILES)
    story.run_pod(FILES)
    await story.reconcile(FILES)
    story.cluster.edit(FILES, lambda each: each["spec"].update(image="registry.test/files:2"))
    await story.reconcile(FILES)
    assert story.status(FILES)["observedGeneration"] == 1
    roll(story, "mcp-files", updated=1, total=2)
    await story.reconcile(FILES)
    assert (story.status(FILES)["phase"], ready(story, FILES)) == ("Pending", ("False", "RollingOut"))
    story.run_pod(FILES)
    await story.reconcile(FILES)
    assert story.status(FILES)["phase"] == "Ready"


@pytest.mark.scenario("K-23")
async def test_a_restart_of_a_generation_that_runs_leaves_it_ready():
    story = await serving()
    told = events(story, ONE)
    roll(story, "vmcp-one", updated=1, total=2)
    await story.reconcile(ONE)
    assert ready(story) == ("True", "Serving")
    assert events(story, ONE) == told


def crashing(state, restarts, **more):
    last = {"terminated": {"exitCode": 1, "reason": "Error"}} if restarts else {}
    return [{"name": "vmcp", "state": state, "lastState": last, "restartCount": restarts} | more]


@pytest.mark.scenario("K-23")
@pytest.mark.parametrize("is_ready_between", [False, True], ids=["never ready", "ready between"])
async def test_a_crash_loop_stays_failed_between_two_restarts(is_ready_between):
    story = Story(ALL)
    await story.reconcile(ONE)
    backoff = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    told = []
    for restarts in range(1, 6):
        story.run_pod(ONE, phase="Running", conditions=[], containerStatuses=crashing(backoff, restarts))
        await story.reconcile(ONE)
        told.append((story.status(ONE)["phase"], ready(story)))
        story.passes(20)
        running = crashing({"running": {"startedAt": stamp(story)}}, restarts + 1, ready=is_ready_between)
        conditions = [{"type": "Ready", "status": "True"}] if is_ready_between else []
        story.run_pod(ONE, report=healthy(story), conditions=conditions, containerStatuses=running)
        story.passes(5)
        pause = await story.reconcile(ONE)
        assert pause is not None
        told.append((story.status(ONE)["phase"], ready(story)))
        ended = crashing({"terminated": {"exitCode": 1, "reason": "Error"}}, restarts + 1)
        story.run_pod(ONE, conditions=[], containerStatuses=ended)
        await story.reconcile(ONE)
        told.append((story.status(ONE)["phase"], ready(story)))
    assert set(told) == {("Failed", ("False", "CrashLoop"))}
    assert events(story, ONE) == ["Pending", "Failed"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "vmcp: /etc/vmcp/keys: session key '1': it has 0 bytes instead of 32\n",
            "session key '1'",
        ),
        ('{"log":"app","event":"config loaded"}\nvmcp: port 4483 is taken; name another\n', "port 4483 is taken"),
        ("Traceback: one\nBoom: two", "Traceback: one\nBoom: two"),
        ("", "Error"),
    ],
)
async def test_a_process_that_cannot_start_is_told_in_its_own_last_words(log, said):
    story = Story(ALL)
    await story.reconcile(ONE)
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "message": log}}
    backoff = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    story.run_pod(ONE, phase="Running", conditions=[], containerStatuses=crashing(backoff, 2, lastState=ended))
    await story.reconcile(ONE)
    message = story.status(ONE)["message"]
    assert f"exit code 3: {said}" in message.replace("/etc/vmcp/keys: ", "")
    assert "config loaded" not in message
    policies = {
        each.get("terminationMessagePolicy")
        for each in story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]["containers"]
    }
    assert policies == {"FallbackToLogsOnError"}


@pytest.mark.scenario("K-23")
async def test_a_pod_that_has_run_for_a_while_after_its_crashes_is_well():
    story = Story(ALL)
    await story.reconcile(ONE)
    running = crashing({"running": {"startedAt": stamp(story, -30)}}, 7, ready=True)
    story.run_pod(ONE, report=healthy(story, "files", "docs"), containerStatuses=running)
    assert await story.reconcile(ONE) == 30.0
    assert story.status(ONE)["phase"] == "Failed"
    story.passes(30)
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


async def test_an_init_container_that_ended_well_is_no_crash():
    story = Story(ALL)
    await story.reconcile(ONE)
    done = {"name": "setup", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}, "restartCount": 3}
    story.run_pod(ONE, report=healthy(story, "files", "docs"), initContainerStatuses=[done])
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


UNSCHEDULABLE = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
WAITS = {
    "scheduler": (
        {
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNSCHEDULABLE}
            ]
        },
        "Unschedulable",
        UNSCHEDULABLE,
    ),
    "gated": (
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gates"}]},
        "SchedulingGated",
        "gates",
    ),
    "evicted": ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "Evicted", "low on memory"),
    "volumes": (
        {"containerStatuses": [{"name": "vmcp", "state": {"waiting": {"reason": "ContainerCreating"}}}]},
        "ContainerCreating",
        "a Secret or ConfigMap that does not exist",
    ),
    "init": (
        {"initContainerStatuses": [{"name": "wait", "started": False, "state": {"running": {}}}]},
        "PodInitializing",
        "init container 'wait' has not ended yet",
    ),
    "startup": (
        {"phase": "Running", "containerStatuses": [{"name": "vmcp", "started": False, "state": {"running": {}}}]},
        "ContainersNotReady",
        "its startup probe has not succeeded",
    ),
    "readiness": (
        {"phase": "Running", "containerStatuses": [{"name": "vmcp", "started": True, "state": {"running": {}}}]},
        "ContainersNotReady",
        "its readiness probe has not succeeded",
    ),
    "gate": (
        {
            "phase": "Running",
            "conditions": [
                {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": "no such condition"}
            ],
        },
        "ReadinessGatesNotReady",
        "no such condition",
    ),
}


@pytest.mark.scenario("K-23")
@pytest.mark.parametrize(("status", "reason", "words"), WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("key", [ONE, FILES], ids=["endpoint", "server"])
async def test_why_a_pod_is_not_ready_is_told_in_the_words_of_its_source(key, status, reason, words):
    story = Story(ALL)
    await story.reconcile(key)
    story.run_pod(key, **{"phase": "Pending", "conditions": [], **status})
    story.passes(60)
    await story.reconcile(key)
    assert (story.status(key)["phase"], ready(story, key)) == ("Pending", ("False", reason))
    assert words in story.status(key)["message"]
    assert words in story.condition(key, "DeploymentAvailable")["message"]


@pytest.mark.scenario("K-23")
async def test_a_generation_that_no_node_takes_is_not_ready_and_says_who_serves():
    story = await serving()
    story.cluster.edit(
        ONE, lambda each: each["spec"].update(podTemplateSpec={"spec": {"nodeSelector": {"disk": "no"}}})
    )
    await story.reconcile(ONE)
    story.run_pod(ONE, "pod-2", phase="Pending", conditions=WAITS["scheduler"][0]["conditions"])
    roll(story, "vmcp-one", updated=1, total=2)
    await story.reconcile(ONE)
    assert ready(story) == ("False", "RollingOut")
    assert "the former serve" in story.status(ONE)["message"]
    assert UNSCHEDULABLE in story.status(ONE)["message"]
    roll(story, "vmcp-one", updated=1, total=2, reason="ProgressDeadlineExceeded")
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], ready(story)) == ("Degraded", ("False", "ProgressDeadlineExceeded"))
    assert UNSCHEDULABLE in story.status(ONE)["message"]


async def test_a_pod_that_is_young_is_not_explained():
    story = Story(ALL)
    await story.reconcile(ONE)
    waiting = [{"name": "vmcp", "state": {"waiting": {"reason": "ContainerCreating"}}}]
    story.run_pod(ONE, phase="Pending", conditions=[], containerStatuses=waiting)
    assert (await story.reconcile(ONE)) > 0
    assert story.status(ONE)["message"] == "waiting for pods: 0 of 1 ready"


@pytest.mark.scenario("K-23")
async def test_whatever_flaps_is_told_so_often_and_worse_news_at_once():
    story = await serving()
    down = healthy(story, "files", "docs", store=StoreReport("unavailable"))
    story.cluster.edit(ONE, lambda each: each["spec"].update(sessionStorage={"provider": "redis", "address": "r:1"}))
    await story.reconcile(ONE)
    for _ in range(30):
        for report in (healthy(story, "files", "docs"), replace(healthy(story), store=down.store)):
            story.passes(2)
            story.run_pod(ONE, report=report)
            await story.reconcile(ONE)
    assert len(events(story, ONE)) < 20
    assert story.status(ONE)["phase"] == "Degraded"
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    pause = await story.reconcile(ONE)
    story.passes(pause or 0)
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("K-23", "K-6")
async def test_each_of_many_edits_is_told_to_be_in_force_at_once():
    story = await serving()
    for number in range(10):
        story.passes(2)
        names = [f"X-Header-{number}"]
        story.cluster.edit(ONE, lambda each, names=names: each["spec"].update(passthroughHeaders=names))
        await story.reconcile(ONE)
        assert story.status(ONE)["phase"] == "Pending"
        story.run_pod(ONE, report=healthy(story, "files", "docs"))
        await story.reconcile(ONE)
        assert story.status(ONE)["phase"] == "Ready", number
