from itertools import pairwise

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, ENTRY, ENTRY_WITH_SECRET, GROUP, SERVER, VMCP
from vmcp_api.kinds.pods import NetworkPeer
from vmcp_operator.errors import Conflict, Denied, Unavailable
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Ref,
)
from vmcp_operator.plan.objects.naming import STAMP
from vmcp_operator.plan.world import PodSettings


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
    story.run_pod(ONE, report=healthy(story, "files", "docs", keys="missing"))
    await story.reconcile(ONE)
    assert story.has(SECRET, "vmcp-one-keys")


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
    gaps = {(later[0] - sooner[0]).total_seconds() for sooner, later in pairwise(stamps)}
    assert gaps == {10.0}
    assert len({value for _, value in stamps}) == 12


async def test_an_object_of_somebody_else_is_never_taken_over():
    story = Story(ALL)
    story.apply("{apiVersion: v1, kind: Service, metadata: {name: vmcp-one, namespace: default}, spec: {ports: []}}")
    await story.reconcile(ONE)
    assert story.live(SERVICE, "vmcp-one")["spec"] == {"ports": []}
    assert story.status(ONE)["phase"] == "Failed"
    assert "is not owned by this VirtualMCPServer" in story.status(ONE)["message"]


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


async def test_who_scrapes_metrics_reaches_the_admin_port_beside_the_operator_and_no_other():
    everywhere = ({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.1/32"]}},)
    monitoring = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}
    story = Story(ALL, settings=PodSettings("registry.test/vmcp:1", metrics_from=tuple(map(peer, everywhere))))
    scraper = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}, "podSelector": monitoring}
    wanted = {"networkPolicy": {"enabled": True, "ingressFrom": [{"podSelector": {}}], "metricsFrom": [scraper]}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(wanted))
    await story.reconcile(ONE)
    clients, scrapes = story.live(NETWORK_POLICY, "vmcp-one")["spec"]["ingress"]
    assert clients == {"from": [{"podSelector": {}}], "ports": [{"port": 4483, "protocol": "TCP"}]}
    operator, *others = scrapes["from"]
    assert operator["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "vmcp-operator"}}
    assert others == [*everywhere, scraper]
    assert scrapes["ports"] == [{"port": 9090, "protocol": "TCP"}]


def peer(document):
    return NetworkPeer.model_validate(document, by_alias=True, by_name=False)


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


async def test_what_was_refused_is_tried_again_without_a_change_to_the_resource():
    story = Story(ALL)
    story.apply("{apiVersion: v1, kind: Service, metadata: {name: vmcp-one, namespace: default}, spec: {ports: []}}")
    pause = await story.reconcile(ONE)
    assert pause is not None
    assert 5 <= pause <= 60
    story.cluster.remove(Ref(SERVICE, "default", "vmcp-one"))
    assert await story.reconcile(ONE) is None
    assert story.has(DEPLOYMENT, "vmcp-one")


def deny(verb, kind):
    def fail(said, ref):
        if said == verb and ref.kind is kind:
            raise Denied(str(ref), 403, "exceeded quota: objects")

    return fail


@pytest.mark.scenario("K-8")
async def test_keys_that_may_not_be_posted_are_told_by_the_status():
    story = Story(ALL)
    story.cluster.fail = deny("create", SECRET)
    pause = await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Failed"
    assert "Secret vmcp-one-keys was refused: exceeded quota" in story.status(ONE)["message"]
    assert not story.has(DEPLOYMENT, "vmcp-one")
    assert pause is not None


async def test_a_pod_that_may_not_be_stamped_does_not_hide_the_status():
    story = await serving(VMCP + GROUP + SERVER, "files")
    story.apply(ENTRY)
    story.passes(10)
    story.cluster.fail = deny("annotate", POD)
    await story.reconcile(ONE)
    assert {each["name"] for each in story.status(ONE)["backends"]} == {"files", "docs"}


async def test_an_optional_child_that_may_not_be_deleted_is_told_by_the_status():
    story = await serving()
    story.cluster.edit(ONE, lambda each: each["spec"].update(networkPolicy={"enabled": True}))
    await story.reconcile(ONE)
    story.cluster.edit(ONE, lambda each: each["spec"].pop("networkPolicy"))
    story.cluster.fail = deny("delete", NETWORK_POLICY)
    await story.reconcile(ONE)
    assert "NetworkPolicy vmcp-one was refused" in story.status(ONE)["message"]
