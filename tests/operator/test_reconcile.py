import pytest

from tests.operator.harness import Story, vmcp
from tests.operator.manifests import ALL, ENTRY, ENTRY_WITH_SECRET, GROUP, SERVER, VMCP
from vmcp_operator.errors import Conflict, Rejected, Unavailable
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Ref,
)
from vmcp_operator.plan.naming import STAMP
from vmcp_operator.plan.reports import BackendReport, Report

ONE = vmcp()


def healthy(story, *names, **other):
    """A report of a pod that runs the wanted config and reaches these backends."""
    return Report(
        config_hash=story.pods.digests[ONE] or "",
        backends=tuple(BackendReport(name, "MCPServer", "healthy", tools=3) for name in names),
        counts={"tools": 3 * len(names), "resources": 1, "prompts": 0, "contextBytes": 900},
        **other,
    )


async def serving(text=ALL, *names):
    """A story whose endpoint is Ready."""
    story = Story(text)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, *(names or ("files", "docs"))))
    story.passes(10)
    await story.reconcile(ONE)
    return story


@pytest.mark.scenario("K-2")
async def test_every_child_is_made_with_labels_and_an_owner_reference():
    story = Story(ALL)
    await story.reconcile(ONE)
    uid = story.cluster.objects[ONE]["metadata"]["uid"]
    for kind, name in (
        (DEPLOYMENT, "vmcp-one"),
        (SERVICE, "vmcp-one"),
        (SERVICE_ACCOUNT, "vmcp-one"),
        (CONFIG_MAP, "vmcp-one-c1"),
        (SECRET, "vmcp-one-keys"),
    ):
        metadata = story.live(kind, name)["metadata"]
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "vmcp-operator"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "one"
        assert [owner["uid"] for owner in metadata["ownerReferences"]] == [uid]
    assert not story.has(NETWORK_POLICY, "vmcp-one")
    assert not story.has(DISRUPTION_BUDGET, "vmcp-one")


@pytest.mark.scenario("K-3")
async def test_a_steady_state_makes_no_write_at_all():
    story = await serving()
    for _ in range(3):
        story.passes(600)
        await story.reconcile(ONE)
        assert story.cluster.writes == []


async def test_an_endpoint_whose_backends_answer_is_ready_and_counts_them():
    story = await serving()
    status = story.status(ONE)
    assert (status["phase"], status["backendSummary"], status["toolCount"]) == ("Ready", "2/2", 6)
    assert status["url"] == "http://vmcp-one.default.svc:4483/mcp"
    assert story.condition(ONE, "Ready")["status"] == "True"
    assert status["observedGeneration"] == 1


@pytest.mark.scenario("K-2")
@pytest.mark.parametrize("kind", [DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP])
async def test_a_deleted_child_comes_back(kind):
    story = await serving()
    ref = next(ref for ref in story.cluster.objects if ref.kind is kind and ref.name.startswith("vmcp-one"))
    story.cluster.remove(ref)
    await story.reconcile(ONE)
    assert ref in story.cluster.objects


@pytest.mark.scenario("K-2")
async def test_a_foreign_label_is_kept_and_a_foreign_edit_of_an_owned_field_is_reverted():
    story = await serving()

    def meddle(service):
        service["metadata"]["labels"]["team"] = "blue"
        service["spec"]["ports"][0]["port"] = 80

    story.cluster.edit(Ref(SERVICE, "default", "vmcp-one"), meddle)
    await story.reconcile(ONE)
    service = story.live(SERVICE, "vmcp-one")
    assert service["metadata"]["labels"]["team"] == "blue"
    assert [port["port"] for port in service["spec"]["ports"]] == [4483]
    await story.reconcile(ONE)
    assert story.cluster.writes == []


async def test_a_foreign_label_alone_is_no_reason_to_write():
    story = await serving()
    story.cluster.edit(
        Ref(SERVICE, "default", "vmcp-one"), lambda service: service["metadata"]["labels"].update(team="blue")
    )
    await story.reconcile(ONE)
    assert story.cluster.writes == []


@pytest.mark.scenario("K-11")
async def test_the_key_secret_is_posted_and_never_read_or_written_again():
    story = Story(ALL)
    read = []
    story.cluster.fail = lambda verb, ref: read.append((verb, ref.kind)) if ref.kind is SECRET else None
    await story.reconcile(ONE)
    assert read == [("create", SECRET)]
    assert story.live(SECRET, "vmcp-one-keys")["data"].keys() == {"1"}
    story.run_pod(ONE, report=healthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert read == [("create", SECRET)]


async def test_keys_that_went_missing_are_posted_again_when_a_pod_says_so():
    story = await serving()
    story.cluster.remove(Ref(SECRET, "default", "vmcp-one-keys"))
    story.run_pod(ONE, report=healthy(story, "files", "docs", has_keys=False))
    await story.reconcile(ONE)
    assert story.has(SECRET, "vmcp-one-keys")


@pytest.mark.scenario("K-7")
async def test_a_missing_group_fails_with_what_to_do_and_recovers_once_it_is_there():
    story = Story(VMCP + SERVER)
    await story.reconcile(ONE)
    status = story.status(ONE)
    assert status["phase"] == "Failed"
    assert "MCPGroup 'tools' does not exist" in status["message"]
    assert "create it" in status["message"]
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


@pytest.mark.scenario("K-5")
async def test_a_backend_joins_and_leaves_by_the_config_alone():
    story = await serving(VMCP + GROUP + SERVER, "files")
    template = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]
    story.apply(ENTRY)
    await story.reconcile(ONE)
    assert '"docs"' in story.live(CONFIG_MAP, "vmcp-one-c1")["data"]["config.json"]
    assert ("annotate", Ref(POD, "default", "pod-1")) in story.cluster.writes
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"] == template


@pytest.mark.scenario("K-5", "K-11")
async def test_a_new_secret_rolls_the_pods_and_one_that_is_no_longer_needed_does_not():
    story = await serving(VMCP + GROUP + SERVER, "files")
    before = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]
    story.apply(ENTRY_WITH_SECRET)
    await story.reconcile(ONE)
    mounted = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]
    assert mounted != before
    entry = next(ref for ref in story.cluster.objects if ref.name == "billing")
    story.cluster.remove(entry)
    await story.reconcile(ONE)
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"] == mounted
    story.cluster.edit(ONE, lambda each: each["metadata"].update(annotations={"vmcp.dev/restartedAt": "now"}))
    await story.reconcile(ONE)
    volumes = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]["volumes"]
    assert next(each for each in volumes if each["name"] == "secrets")["projected"]["sources"] == []


async def test_a_pod_that_runs_another_config_is_stamped_again_after_ten_seconds_and_not_for_ever():
    story = await serving(VMCP + GROUP + SERVER, "files")
    story.apply(ENTRY)
    stamps = []
    for _ in range(40):
        pause = await story.reconcile(ONE)
        if any(verb == "annotate" for verb, _ in story.cluster.writes):
            stamps.append((story.now, story.live(POD, "pod-1")["metadata"]["annotations"][STAMP]))
        story.passes(5)
    assert pause is None
    assert len(stamps) == 12
    gaps = {(later[0] - sooner[0]).total_seconds() for sooner, later in zip(stamps, stamps[1:], strict=False)}
    assert gaps == {10.0}
    assert len({value for _, value in stamps}) == 12


@pytest.mark.scenario("K-9")
async def test_one_backend_down_degrades_the_endpoint_by_name_and_its_repair_makes_it_ready():
    story = await serving()
    report = Report(
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


async def test_no_backend_left_fails_only_where_partial_failure_is_refused():
    down = (BackendReport("files", "MCPServer", "unhealthy", message="gone"),)
    phases = {}
    for mode in ("best_effort", "fail"):
        story = await serving(VMCP + GROUP + SERVER, "files")
        config = {"operational": {"failureHandling": {"partialFailureMode": mode}}}
        story.cluster.edit(ONE, lambda each, config=config: each["spec"].update(config=config))
        await story.reconcile(ONE)
        story.run_pod(ONE, report=Report(config_hash=story.pods.digests[ONE] or "", backends=down))
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


async def test_an_object_of_somebody_else_is_never_taken_over():
    story = Story(ALL)
    story.apply("{apiVersion: v1, kind: Service, metadata: {name: vmcp-one, namespace: default}, spec: {ports: []}}")
    await story.reconcile(ONE)
    assert story.live(SERVICE, "vmcp-one")["spec"] == {"ports": []}
    assert story.status(ONE)["phase"] == "Failed"
    assert "is not owned by this VirtualMCPServer" in story.status(ONE)["message"]


@pytest.mark.scenario("K-6")
async def test_a_number_of_replicas_that_is_no_longer_named_stays_as_it_is():
    story = Story(ALL)
    redis = {"provider": "redis", "address": "redis:6379"}
    story.cluster.edit(ONE, lambda each: each["spec"].update(replicas=3, sessionStorage=redis))
    await story.reconcile(ONE)
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"]["replicas"] == 3
    story.cluster.edit(ONE, lambda each: each["spec"].pop("replicas"))
    await story.reconcile(ONE)
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"]["replicas"] == 3
    story.cluster.edit(Ref(DEPLOYMENT, "default", "vmcp-one"), lambda each: each["spec"].update(replicas=5))
    await story.reconcile(ONE)
    assert story.live(DEPLOYMENT, "vmcp-one")["spec"]["replicas"] == 5


async def test_optional_children_come_and_go_with_the_spec():
    story = await serving()
    wanted = {"podDisruptionBudget": {"minAvailable": 1}, "networkPolicy": {"enabled": True}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(wanted))
    await story.reconcile(ONE)
    assert story.has(NETWORK_POLICY, "vmcp-one")
    assert story.has(DISRUPTION_BUDGET, "vmcp-one")
    story.cluster.edit(ONE, lambda each: [each["spec"].pop(name) for name in wanted])
    await story.reconcile(ONE)
    assert not story.has(NETWORK_POLICY, "vmcp-one")
    assert not story.has(DISRUPTION_BUDGET, "vmcp-one")


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


async def test_a_resource_that_is_gone_is_forgotten_without_a_write():
    story = await serving()
    story.cluster.remove(ONE)
    assert await story.reconcile(ONE) is None
    assert story.cluster.writes == []
    assert ONE not in story.pods.targets


async def test_pods_that_only_carry_the_labels_are_not_asked():
    story = await serving()
    forged = {**story.live(POD, "pod-1")}
    forged["metadata"] = {**forged["metadata"], "name": "forged", "uid": "forged", "ownerReferences": []}
    story.cluster.put(forged)
    await story.reconcile(ONE)
    assert [target.uid for target in story.pods.targets[ONE]] == [story.live(POD, "pod-1")["metadata"]["uid"]]


@pytest.mark.parametrize("error", [Unavailable("x", 503, "busy"), Conflict("x", 409, "changed")])
async def test_an_api_server_that_fails_ends_the_step_for_a_later_one(error):
    story = Story(ALL)

    def refuse(verb, ref):
        if verb == "apply":
            raise error

    story.cluster.fail = refuse
    with pytest.raises(type(error)):
        await story.reconcile(ONE)
    story.cluster.fail = lambda _verb, _ref: None
    await story.reconcile(ONE)
    assert story.has(DEPLOYMENT, "vmcp-one")


async def test_redis_that_is_away_is_named_and_the_endpoint_stays_ready():
    story = Story(ALL)
    story.cluster.edit(
        ONE, lambda each: each["spec"].update(sessionStorage={"provider": "redis", "address": "redis:6379"})
    )
    await story.reconcile(ONE)
    story.run_pod(ONE, report=healthy(story, "files", "docs", store_available=False, store_message="no answer"))
    await story.reconcile(ONE)
    condition = story.condition(ONE, "SessionStorageReady")
    assert (condition["status"], condition["reason"]) == ("False", "StoreUnavailable")
    assert "no answer" in condition["message"]
    assert story.status(ONE)["phase"] == "Ready"


async def test_a_config_that_a_pod_refuses_degrades_and_says_why():
    story = await serving()
    story.run_pod(ONE, report=healthy(story, "files", "docs", load_error="backends[0].url: is no URL"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"
    assert story.condition(ONE, "ConfigLoaded")["reason"] == "ConfigRefused"


async def test_an_empty_group_is_ready_with_a_message():
    story = await serving(VMCP + GROUP)
    assert story.status(ONE)["phase"] == "Ready"
    assert "no members" in story.status(ONE)["message"]
