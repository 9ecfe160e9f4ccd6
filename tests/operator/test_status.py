import json
from dataclasses import replace

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, ENTRY, GROUP, SERVER, VMCP
from vmcp_api.pod_status import BackendReport, ConflictReport, LoadError, PodStatus, StoreReport, UnmatchedReport
from vmcp_operator.errors import Rejected
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    POD,
    SERVICE,
    Ref,
)
from vmcp_operator.plan.kinds import (
    ENTRY as ENTRY_KIND,
)


async def test_an_endpoint_whose_backends_answer_is_ready_and_counts_them():
    story = await serving()
    status = story.status(ONE)
    assert (status["phase"], status["backendSummary"], status["toolCount"]) == ("Ready", "2/2", 6)
    assert status["url"] == "http://vmcp-one.default.svc:4483/mcp"
    assert story.condition(ONE, "Ready")["status"] == "True"
    assert status["observedGeneration"] == 1


@pytest.mark.scenario("K-7")
async def test_a_missing_group_fails_with_what_to_do_and_recovers_once_it_is_there():
    story = Story(VMCP + SERVER)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert status["phase"] == "Failed"
    assert "MCPGroup 'tools' does not exist" in status["message"]
    assert "create it" in status["message"]
    # Other groups may be there: the operator reads the one that is named.
    assert "there are no" not in status["message"]
    assert story.condition(ONE, "GroupRefValidated")["status"] == "False"
    assert not story.has(DEPLOYMENT, "vmcp-one")
    story.apply(GROUP)
    await story.reconcile(ONE)
    assert story.has(DEPLOYMENT, "vmcp-one")
    assert story.status(ONE)["phase"] == "Pending"


@pytest.mark.scenario("K-7")
async def test_a_group_that_is_deleted_leaves_the_last_good_config_in_force():
    story = await serving()
    before = story.live(CONFIG_MAP, "vmcp-one-c1")["data"]
    story.cluster.remove(Ref(next(r.kind for r in story.cluster.objects if r.name == "tools"), "default", "tools"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Failed"
    assert "keep the last good config" in story.status(ONE)["message"]
    assert story.live(CONFIG_MAP, "vmcp-one-c1")["data"] == before
    assert {verb for verb, _ in story.cluster.writes} == {"status", "create"}


async def test_an_invalid_spec_touches_no_child_and_says_where_it_is_wrong():
    story = await serving()
    children = {
        ref: each for ref, each in story.cluster.objects.items() if ref.kind in (DEPLOYMENT, CONFIG_MAP, SERVICE)
    }
    story.cluster.edit(ONE, lambda each: each["spec"].update(replicas=3))
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert status["phase"] == "Failed"
    assert "sessionStorage.provider" in status["message"]
    assert status["observedGeneration"] == 2
    assert all(story.cluster.objects[ref] == each for ref, each in children.items())
    story.cluster.edit(ONE, lambda each: each["spec"].pop("replicas"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("K-9")
async def test_one_backend_down_degrades_the_endpoint_by_name_and_its_repair_makes_it_ready():
    story = await serving()
    report = PodStatus(
        config_hash=story.pods.digests[ONE] or "",
        backends=(
            BackendReport("files", "MCPServer", "healthy"),
            BackendReport("docs", "MCPServerEntry", "unhealthy", message="connection refused"),
        ),
    )
    story.run_pod(ONE, report=report)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert (status["phase"], status["backendSummary"]) == ("Degraded", "1/2")
    assert "docs: connection refused" in status["message"]
    assert story.condition(ONE, "Ready")["status"] == "True"
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("A-2", "A-3", "A-4", "A-8")
async def test_conflicts_and_settings_that_match_nothing_stand_in_the_status_until_they_are_gone():
    story = await serving()
    lost = ConflictReport("tool", "find", "files", ("docs",))
    withheld = ConflictReport("prompt", "show", None, ("docs", "files"))
    unmatched = (UnmatchedReport("files", "filter", "nothing"), UnmatchedReport("nobody", "workload", "nobody"))
    report = healthy(story, "files", "docs", conflicts=(lost, withheld), unmatched=unmatched)
    story.run_pod(ONE, report=report)
    story.passes(10)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert status["conflicts"] == [
        {"kind": "tool", "name": "find", "backends": ["files", "docs"], "winner": "files"},
        {"kind": "prompt", "name": "show", "backends": ["docs", "files"]},
    ]
    assert status["unmatched"] == [
        {"backend": "files", "setting": "filter", "name": "nothing"},
        {"backend": "nobody", "setting": "workload", "name": "nobody"},
    ]
    assert "find, show" in story.condition(ONE, "ToolConflicts")["message"]
    assert status["phase"] == "Ready"
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    story.passes(10)
    await story.reconcile(ONE)
    assert not {"conflicts", "unmatched"} & story.status(ONE).keys()


async def test_no_backend_left_fails_only_where_partial_failure_is_refused():
    down = (BackendReport("files", "MCPServer", "unhealthy", message="gone"),)
    phases = {}
    for mode in ("best_effort", "fail"):
        story = await serving(VMCP + GROUP + SERVER, "files")
        config = {"operational": {"failureHandling": {"partialFailureMode": mode}}}
        story.cluster.edit(ONE, lambda each, config=config: each["spec"].update(config=config))
        await story.reconcile(ONE)
        story.run_pod(ONE, report=PodStatus(config_hash=story.pods.digests[ONE] or "", backends=down))
        await story.reconcile(ONE)
        phases[mode] = story.status(ONE)["phase"]
    assert phases == {"best_effort": "Degraded", "fail": "Failed"}


@pytest.mark.scenario("K-8")
@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}, "ImagePullFailed", "no such image"),
        ({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, "CrashLoop", "kubectl logs"),
        (
            {"waiting": {"reason": "CreateContainerConfigError", "message": "no key x"}},
            "ContainerConfigInvalid",
            "no key x",
        ),
    ],
)
async def test_pods_that_cannot_run_fail_the_endpoint_with_the_containers_own_words(state, reason, words):
    story = Story(ALL)
    await story.reconcile(ONE)
    story.run_pod(ONE, phase="Pending", conditions=[], containerStatuses=[{"name": "vmcp", "state": state}])
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Failed"
    assert words in story.status(ONE)["message"]
    assert story.condition(ONE, "DeploymentAvailable")["reason"] == reason
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


@pytest.mark.scenario("K-8")
async def test_new_pods_that_cannot_run_degrade_an_endpoint_whose_old_pods_serve():
    story = await serving()
    state = {"waiting": {"reason": "ErrImagePull", "message": "denied"}}
    story.run_pod(ONE, "pod-2", phase="Pending", conditions=[], containerStatuses=[{"name": "vmcp", "state": state}])
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"
    assert "denied" in story.status(ONE)["message"]


@pytest.mark.scenario("K-8")
async def test_a_quota_that_is_full_says_so():
    story = Story(ALL)
    await story.reconcile(ONE)
    story.live(DEPLOYMENT, "vmcp-one")["status"] = {
        "observedGeneration": 1,
        "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods=0"}],
    }
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Failed"
    assert "exceeded quota" in story.status(ONE)["message"]


@pytest.mark.scenario("K-8")
async def test_a_pod_template_that_the_api_server_refuses_is_told_and_recovers():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(podTemplateSpec={"spec": {"priority": "high"}}))

    def refuse(verb, ref):
        if verb == "apply" and ref.kind is DEPLOYMENT:
            raise Rejected(str(ref), 422, "spec.template.spec.priority: must be a number")

    story.cluster.fail = refuse
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Failed"
    assert story.condition(ONE, "PodTemplateSpecValid")["reason"] == "Rejected"
    assert "must be a number" in story.status(ONE)["message"]
    story.cluster.fail = lambda _verb, _ref: None
    story.cluster.edit(ONE, lambda each: each["spec"].pop("podTemplateSpec"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"


async def test_a_secret_whose_value_cannot_be_sent_is_named_like_a_missing_one():
    story = await serving()
    said = "key 'token' of Secret 'billing' is empty; write a value, or remove the header"
    report = healthy(story, "docs")
    withheld = BackendReport("files", "MCPServer", "withheld", reason="SecretInvalid", message=said)
    story.passes(5)
    story.run_pod(ONE, report=replace(report, backends=(*report.backends, withheld)))
    await story.reconcile(ONE)
    condition = story.condition(ONE, "AuthConfigured")
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "SecretInvalid", said)
    assert story.status(ONE)["phase"] == "Degraded"


@pytest.mark.scenario("K-3")
async def test_a_status_is_written_at_most_once_in_five_seconds_unless_the_phase_changes():
    story = await serving()
    counts = iter(range(100))

    async def change():
        story.run_pod(ONE, report=healthy(story, "files", "docs", missing_secrets=(f"s/{next(counts)}",)))
        pause = await story.reconcile(ONE)
        return pause, [verb for verb, ref in story.cluster.writes if ref == ONE]

    story.passes(5)
    assert await change() == (None, ["status"])
    story.passes(2)
    assert await change() == (3.0, [])
    story.passes(3)
    assert await change() == (None, ["status"])


async def test_an_event_is_posted_for_each_change_of_phase_and_for_nothing_else():
    story = await serving()
    events = [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT]
    assert [(each["type"], each["note"].split(":")[0]) for each in events] == [
        ("Normal", "Pending"),
        ("Normal", "Ready"),
    ]
    assert all(each["regarding"]["uid"] == story.cluster.objects[ONE]["metadata"]["uid"] for each in events)
    await story.reconcile(ONE)
    assert sum(ref.kind is EVENT for ref in story.cluster.objects) == 2


@pytest.mark.scenario("K-23")
async def test_redis_that_is_away_is_named_and_the_endpoint_is_not_ready():
    story = Story(ALL)
    story.cluster.edit(
        ONE, lambda each: each["spec"].update(sessionStorage={"provider": "redis", "address": "redis:6379"})
    )
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, "files", "docs", store=StoreReport("unavailable", "no answer")))
    await story.reconcile(ONE)
    condition = story.condition(ONE, "SessionStorageReady")
    assert (condition["status"], condition["reason"]) == ("False", "StoreUnavailable")
    assert condition["message"] == "no answer; check sessionStorage and the Redis service"
    ready = story.condition(ONE, "Ready")
    assert (story.status(ONE)["phase"], ready["status"], ready["reason"]) == ("Degraded", "False", "StoreUnavailable")
    assert "no client can begin a session: no answer" in ready["message"]
    (event,) = [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT and "session" in each["note"]]
    assert event["type"] == "Warning"
    story.passes(5)
    story.run_pod(ONE, report=healthy(story, "files", "docs", store=StoreReport("unavailable", "no; do this")))
    await story.reconcile(ONE)
    assert story.condition(ONE, "SessionStorageReady")["message"] == "no; do this"


async def test_redis_that_no_pod_has_asked_yet_is_not_called_ready():
    story = Story(ALL)
    story.cluster.edit(
        ONE, lambda each: each["spec"].update(sessionStorage={"provider": "redis", "address": "redis:6379"})
    )
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, "files", "docs", store=StoreReport("unknown")))
    await story.reconcile(ONE)
    condition = story.condition(ONE, "SessionStorageReady")
    assert (condition["status"], condition["reason"]) == ("Unknown", "StoreNotAsked")
    story.passes(5)
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert story.condition(ONE, "SessionStorageReady")["status"] == "True"


async def test_a_config_that_a_pod_refuses_degrades_and_says_why():
    story = await serving()
    refused = LoadError("backends[0].url", "backends[0].url: is no URL")
    story.run_pod(ONE, report=healthy(story, "files", "docs", load_error=refused))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"
    assert story.condition(ONE, "ConfigLoaded")["reason"] == "ConfigRefused"


async def test_an_empty_group_is_ready_with_a_message():
    story = await serving(VMCP + GROUP)
    assert story.status(ONE)["phase"] == "Ready"
    assert "no members" in story.status(ONE)["message"]


@pytest.mark.scenario("K-3", "K-14")
async def test_an_operator_that_starts_again_leaves_a_status_alone_until_it_has_asked_the_pods():
    story = await serving()
    uid = story.live(POD, "pod-1")["metadata"]["uid"]
    said = story.pods.reports.pop(uid)
    story.pods.awaited.add(uid)
    await story.reconcile(ONE)
    assert story.cluster.writes == []
    story.pods.reports[uid] = said
    story.pods.awaited.clear()
    await story.reconcile(ONE)
    assert story.cluster.writes == []
    del story.pods.reports[uid]
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["reason"]) == ("Pending", "PodsSilent")


async def test_pods_that_have_not_been_asked_hide_no_invalid_spec():
    story = await serving()
    story.pods.awaited.add(story.live(POD, "pod-1")["metadata"]["uid"])
    story.cluster.edit(ONE, lambda each: each["spec"].update(replicas=3))
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.status(ONE)["observedGeneration"]) == ("Failed", 2)


async def test_a_group_with_too_many_members_is_not_called_missing():
    many = "".join(SERVER.replace("name: files", f"name: files-{number}") for number in range(257))
    story = Story(VMCP + GROUP + many)
    await story.reconcile(ONE)
    assert "more than 256 members" in story.status(ONE)["message"]
    assert story.condition(ONE, "GroupRefValidated")["status"] == "False"
    assert story.condition(ONE, "GroupRefValidated")["reason"] == "TooManyMembers"


async def test_members_that_do_not_validate_count_against_the_most_that_a_group_may_have():
    many = "".join(SERVER.replace("name: files", f"name: files-{number}") for number in range(250))
    bad = "".join(
        ENTRY.replace("name: docs", f"name: docs-{number}").replace("https:", "gopher:") for number in range(10)
    )
    story = Story(VMCP + GROUP + many + bad)
    await story.reconcile(ONE)
    assert "more than 256 members" in story.status(ONE)["message"]
    assert len(story.status(ONE).get("backends", [])) <= 256


async def test_a_name_that_an_invalid_member_claims_too_is_served_by_neither():
    story = await serving(VMCP + GROUP + SERVER, "files")
    story.apply(ENTRY.replace("name: docs", "name: files").replace("https:", "gopher:"))
    await story.reconcile(ONE)
    config = json.loads(story.live(CONFIG_MAP, "vmcp-one-c1")["data"]["config.json"])
    assert "backends" not in config
    assert {each["name"] for each in config["withheld"]} == {"files"}
    (backend,) = story.status(ONE)["backends"]
    assert (backend["status"], backend["reason"]) == ("unavailable", "NameClash")


async def test_a_member_that_is_fine_from_the_start_is_no_news_and_one_that_is_not_is():
    story = Story(GROUP + ENTRY + ENTRY.replace("name: docs", "name: lost").replace("name: tools", "name: none"))
    for name in ("docs", "lost"):
        await story.reconcile(Ref(ENTRY_KIND, "default", name))
    events = [each for ref, each in story.cluster.objects.items() if ref.kind is EVENT]
    assert [each["regarding"]["name"] for each in events] == ["lost"]
