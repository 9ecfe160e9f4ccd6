"""What holds whatever happens: plans repeat themselves, hold no secret, lower no guard; statuses are true and few."""

import asyncio
import base64
import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operator.endpoints import ONE, healthy
from tests.operator.harness import Story, read_manifests
from tests.operator.manifests import ALL, ENTRY_WITH_SECRET, GATEWAY_CONFIG, LIFECYCLE_SERVERS
from vmcp_api.pod_status import BackendReport, LoadError, StoreReport
from vmcp_operator.plan.kinds import CONFIG_MAP, DEPLOYMENT, EVENT, POD, RECONCILED, SECRET, Ref, ref_of
from vmcp_operator.plan.objects.naming import config_map_name
from vmcp_operator.reconcile.reporter import PACE, RELIEFS

CANARY = "canary-7f3e1c"
RESOURCES = read_manifests(ALL + ENTRY_WITH_SECRET + LIFECYCLE_SERVERS + GATEWAY_CONFIG)
GROUP = next(each for each in RESOURCES if each["kind"] == "MCPGroup")
GROUP["spec"] = {"serverRefs": [{"name": "wiki"}], "allowGatewayBindings": True}
REFS = tuple(ref_of(each) for each in RESOURCES)
OIDC = {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "one"}, "authzConfigRef": {"name": "policies"}}
SHARED = {"sessionStorage": {"provider": "redis", "address": "redis:6379"}, "replicas": 2}
SPECS = (
    {},
    {"incomingAuth": OIDC},
    {"incomingAuth": {"type": "anonymous", "authzConfigRef": {"name": "policies"}}},
    {"telemetryConfigRef": {"name": "otel"}, "passthroughHeaders": ["X-A"]},
    {"config": {"compositeToolRefs": [{"name": "report"}], "audit": {"enabled": True}}},
    {"config": {"aggregation": {"tools": [{"workload": "files", "toolConfigRef": {"name": "curated"}}]}}},
    SHARED,
    {"passthroughHeaders": ["Host"]},
    {"podTemplateSpec": {"spec": {"containers": [{"image": "nameless"}]}}},
)
BROKEN = {"spec": {"nonsense": True}}
EDITS = st.one_of(
    st.tuples(st.just("spec"), st.sampled_from(SPECS)),
    st.tuples(st.just("remove"), st.sampled_from([each for each in REFS if each != ONE])),
    st.tuples(st.just("break"), st.sampled_from([each for each in REFS if each != ONE])),
    st.tuples(st.just("restore"), st.sampled_from(REFS)),
)
HISTORIES = st.lists(EDITS, min_size=1, max_size=5)
GUARDS = tuple(each for each in REFS if each.kind.name in ("MCPOIDCConfig", "MCPAuthzConfig"))
OF_GUARDS = st.one_of(
    st.tuples(st.just("spec"), st.sampled_from(SPECS[:4])),
    st.tuples(st.sampled_from(["remove", "break", "restore"]), st.sampled_from(GUARDS)),
)


def begin():
    story = Story()
    for each in RESOURCES:
        story.cluster.put(copy.deepcopy(each))
    for name, key in (("billing", "api-key"), ("keys", "token"), ("otel", "token")):
        data = {key: base64.b64encode(CANARY.encode()).decode(), "plain": CANARY}
        story.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})
    return story


def act(story, what, value):
    if what == "spec":
        base = next(each for each in RESOURCES if ref_of(each) == ONE)
        story.cluster.edit(ONE, lambda each: each.update(spec={**copy.deepcopy(base["spec"]), **copy.deepcopy(value)}))
    elif what == "remove" and value in story.cluster.objects:
        story.cluster.remove(value)
    elif what == "break" and value in story.cluster.objects:
        story.cluster.edit(value, lambda each: each.update(copy.deepcopy(BROKEN)))
    elif what == "restore":
        story.cluster.put(copy.deepcopy(next(each for each in RESOURCES if ref_of(each) == value)))


async def settle(story):
    """One look at every resource; what was written, each look's."""
    written = []
    for key in sorted((each for each in story.cluster.objects if each.kind in RECONCILED), key=str):
        if key not in story.cluster.objects:
            continue
        await story.reconcile(key)
        written += story.cluster.writes
    return written


def config_of(story):
    held = story.cluster.objects.get(Ref(CONFIG_MAP, "default", config_map_name(ONE)))
    return None if held is None else json.loads(held["data"]["config.json"])


def guards_of(story):
    config = config_of(story)
    return None if config is None else (config.get("incomingAuth"), config.get("authorization"))


def own(story):
    """All that the operator has written; names of Events are random."""
    objects = ((ref, each) for ref, each in story.cluster.objects.items() if ref.kind is not SECRET)
    notes = {EVENT: lambda ref, each: f"Event {each['regarding']['name']} {each['note']}"}
    named = ((notes.get(ref.kind, lambda ref, _: str(ref))(ref, each), each) for ref, each in objects)
    return json.dumps(
        {name: {**each, "metadata": None} if name[:6] == "Event " else each for name, each in named}, sort_keys=True
    )


@pytest.mark.scenario("K-3", "K-11")
@settings(max_examples=10)
@given(HISTORIES)
def test_plans_repeat_themselves_write_nothing_twice_and_hold_no_secret(history):
    async def play():
        story = begin()
        for what, value in history:
            act(story, what, value)
            await settle(story)
            story.passes(PACE)
        # What waited for its time (a reference that is new, the pace of a status) has had it.
        for _ in range(3):
            story.passes(60)
            await settle(story)
        assert await settle(story) == []
        return own(story)

    first = asyncio.run(play())
    assert CANARY not in first
    assert first == asyncio.run(play())


@pytest.mark.scenario("K-19", "Z-4")
@settings(max_examples=15)
@given(st.lists(OF_GUARDS, min_size=2, max_size=6))
def test_who_may_come_in_and_what_they_may_do_is_never_less_than_was_asked_for(history):
    async def play():
        story = begin()
        act(story, "spec", {"incomingAuth": OIDC})
        await settle(story)
        assert guards_of(story)[0]["type"] == "oidc"
        for what, value in history:
            before = guards_of(story)
            act(story, what, value)
            await settle(story)
            judge(story, before)
            story.passes(20)
            await settle(story)
            judge(story, before)

    asyncio.run(play())


def judge(story, before):
    spec = story.cluster.objects[ONE]["spec"]
    after = guards_of(story)
    asked = spec["incomingAuth"]
    named = [asked.get("oidcConfigRef"), asked.get("authzConfigRef")]
    if after is None or after == before:
        return
    incoming, authorization = after
    # Something has changed: then it is what the present spec asks for, whole, with sound references.
    assert incoming["type"] == asked["type"]
    assert (authorization is not None) == (named[1] is not None)
    for kind, reference in zip(("MCPOIDCConfig", "MCPAuthzConfig"), named, strict=True):
        if reference is not None:
            ref = next(each for each in REFS if each.kind.name == kind)
            assert "nonsense" not in json.dumps(story.cluster.objects[ref]["spec"])


PODS = st.one_of(
    st.tuples(st.just("report"), st.sampled_from(["healthy", "one-down", "none", "store-away", "refused", "old"])),
    st.tuples(st.just("pod"), st.sampled_from(["ready", "crashing", "pending", "gone"])),
    st.tuples(st.just("spec"), st.sampled_from(SPECS)),
    st.tuples(st.just("time"), st.sampled_from([0.5, 2.0, 10.0, 61.0])),
)
CRASHING = [
    {
        "name": "vmcp",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        "restartCount": 4,
    }
]


def report_of(story, which):
    report = healthy(story, "files", "docs", "billing")
    down = BackendReport("docs", "MCPServerEntry", "unhealthy", message="refused")
    match which:
        case "one-down":
            return replace(report, backends=(*report.backends[:1], down, *report.backends[2:]))
        case "none":
            gone = (replace(each, status="unhealthy", message="refused") for each in report.backends)
            return replace(report, backends=tuple(gone))
        case "store-away":
            return replace(report, store=StoreReport("unavailable", "Redis refuses the connection"))
        case "refused":
            return replace(report, config_hash="other", load_error=LoadError("config", "cannot be read"))
        case "old":
            return replace(report, config_hash="other")
    return report


def move(story, what, value):
    has_deployment = Ref(DEPLOYMENT, "default", "vmcp-one") in story.cluster.objects
    pod = Ref(POD, "default", "pod-1")
    if what == "time":
        story.passes(value)
    elif what == "spec":
        act(story, what, value)
    elif what == "report" and pod in story.cluster.objects:
        story.pods.reports[story.cluster.objects[pod]["metadata"]["uid"]] = report_of(story, value)
    elif what == "pod" and value == "gone" and pod in story.cluster.objects:
        story.cluster.remove(pod)
    elif what == "pod" and has_deployment and value != "gone":
        status = {
            "ready": {},
            "crashing": {"conditions": [], "containerStatuses": CRASHING},
            "pending": {"phase": "Pending", "conditions": []},
        }[value]
        story.run_pod(ONE, **status)


@pytest.mark.scenario("K-23")
@settings(max_examples=15)
@given(st.lists(PODS, min_size=5, max_size=25))
def test_statuses_are_true_of_the_generation_that_runs_and_bounded_in_number(history):
    async def play():
        story = begin()
        await settle(story)
        story.run_pod(ONE, report=report_of(story, "healthy"))
        story.passes(10)
        await settle(story)
        assert story.condition(ONE, "Ready")["status"] == "True"
        writes = edits = 0
        began = story.now
        for what, value in history:
            edits += what == "spec"
            move(story, what, value)
            again = await story.reconcile(ONE)
            writes += sum(verb == "status" for verb, ref in story.cluster.writes if ref == ONE)
            # What changes while the phase stays is told once in five seconds.
            if again is None or again > PACE:
                tell_truth(story)
        seconds = (story.now - began).total_seconds()
        notes = sum(ref.kind is EVENT for ref in story.cluster.objects)
        # One each five seconds, and beside them what changes the phase: an edit, and so many reliefs with what
        # came before each.
        flips = 2 * (RELIEFS * (1 + seconds / 120.0) + 1) * (1 + edits)
        assert writes <= 1 + seconds / PACE + flips + edits
        assert notes <= flips + len(REFS)

    asyncio.run(play())


def tell_truth(story):
    live = story.cluster.objects[ONE]
    status = live.get("status", {})
    ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    assert status["observedGeneration"] <= live["metadata"]["generation"]
    if ready is None or ready["status"] != "True" or ready["observedGeneration"] < live["metadata"]["generation"]:
        return
    pods = [each for ref, each in story.cluster.objects.items() if ref.kind is POD]
    running = [story.pods.reports.get(each["metadata"]["uid"]) for each in pods]
    digest = story.pods.digests[ONE]
    assert any(each is not None and (each.config_hash == digest or each.load_error) for each in running)


REFERENCED = tuple(each for each in REFS if each != ONE and each.kind.name != "MCPGroup")
LOADING = st.one_of(
    st.tuples(st.sampled_from(["remove", "break", "restore"]), st.sampled_from(REFERENCED)),
    st.tuples(st.just("loads"), st.sampled_from(["pod-1", "pod-2"])),
    st.tuples(st.just("spec"), st.sampled_from(SPECS[:6])),
)


@pytest.mark.scenario("K-23")
@settings(max_examples=15)
@given(st.lists(LOADING, min_size=3, max_size=10))
def test_nothing_is_said_to_be_ready_before_every_pod_runs_its_config(history):
    async def play():
        story = begin()
        act(story, "spec", {**SHARED, "incomingAuth": OIDC})
        await settle(story)
        load(story, *TWO)
        for what, value in history:
            if what == "loads":
                load(story, value)
            else:
                act(story, what, {**SHARED, **value} if what == "spec" else value)
            # The second look is after the Deployment's controller has had its own.
            for _ in range(2):
                story.passes(10)
                before = told_ready(story)
                await story.reconcile(ONE)
                load(story)
                lags = runs_another_config(story)
                assert told_ready(story) <= (before if lags else {"phase", "condition"})
            assert not lags or "condition" not in told_ready(story)

    asyncio.run(play())


TWO = ("pod-1", "pod-2")


def load(story, *names):
    """Both pods run; these have taken the present config over."""
    for name in TWO:
        story.run_pod(ONE, name, report=report_of(story, "healthy") if name in names else None)


def runs_another_config(story):
    """Whether a pod reports another config than the one that it should run."""
    uids = [story.cluster.objects[Ref(POD, "default", name)]["metadata"]["uid"] for name in TWO]
    return any(story.pods.reports[uid].config_hash != story.pods.digests[ONE] for uid in uids)


def told_ready(story):
    """By which of its two words a status says of the present generation that it is Ready."""
    live = story.cluster.objects[ONE]
    status = live.get("status", {})
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return set()
    said = {"phase": status["phase"], "condition": story.condition(ONE, "Ready")["status"]}
    return {name for name, value in said.items() if value in {"Ready", "True"}}
