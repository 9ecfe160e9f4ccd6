"""Which session key signs: the operator says so once every pod has told that it believes it."""

import json

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL
from vmcp_operator.plan.kinds import CONFIG_MAP, SECRET

NOT_READY = [{"type": "Ready", "status": "False"}]


def signing(story):
    """The key that the config of the pods names."""
    return json.loads(story.live(CONFIG_MAP, "vmcp-one-c1")["data"]["config.json"]).get("signingKey")


async def told(story, **rings):
    """What the operator has decided once pods have told the keys that they have."""
    for name, ring in rings.items():
        story.run_pod(ONE, name.replace("_", "-"), report=healthy(story, "files", "docs", key_ids=tuple(ring)))
    await story.reconcile(ONE)
    return signing(story)


@pytest.mark.scenario("K-11")
async def test_a_new_endpoint_signs_with_the_key_that_the_operator_makes_and_its_first_report_writes_nothing():
    story = Story(ALL)
    await story.reconcile(ONE)
    assert signing(story) == "1"
    assert set(story.live(SECRET, "vmcp-one-keys")["data"]) == {"1"}
    assert await told(story, pod_1=["1"]) == "1"
    assert [ref for _, ref in story.cluster.writes if ref.kind is CONFIG_MAP] == []


@pytest.mark.scenario("K-11")
async def test_a_key_that_is_added_signs_once_every_pod_that_is_ready_has_it():
    story = await serving()
    assert await told(story, pod_1=["1"], pod_2=["1"]) == "1"
    assert await told(story, pod_1=["1", "2"]) == "1"
    assert await told(story, pod_2=["1", "2"]) == "2"
    # Those that were not told yet say so, and one that starts is read the Secret anew.
    assert await told(story, pod_1=["1", "2"], pod_2=["1", "2"]) == "2"
    # The former one goes, on one pod before the other.
    assert await told(story, pod_1=["2"]) == "2"
    assert await told(story, pod_2=["2"]) == "2"


@pytest.mark.scenario("K-11")
async def test_a_pod_that_is_ready_and_silent_or_tells_no_keys_leaves_all_as_it_is():
    story = await serving()
    assert await told(story, pod_1=["1", "2"], pod_2=[]) == "1"
    assert await told(story, pod_2=["1", "2"]) == "2"
    story.run_pod(ONE, "pod-3")
    assert await told(story, pod_1=["1", "2", "3"], pod_2=["1", "2", "3"]) == "2"


@pytest.mark.scenario("K-11")
async def test_a_pod_that_is_not_ready_is_not_waited_for():
    story = await serving()
    story.run_pod(ONE, "pod-2", conditions=NOT_READY)
    assert await told(story, pod_1=["1", "2"]) == "2"


@pytest.mark.scenario("K-11")
async def test_a_key_that_is_taken_back_from_one_pod_signs_nowhere_any_more():
    story = await serving()
    assert await told(story, pod_1=["1", "2"], pod_2=["1", "2"]) == "2"
    assert await told(story, pod_1=["1"]) == "1"


@pytest.mark.scenario("K-11")
async def test_an_endpoint_of_a_release_that_did_not_tell_gets_the_key_that_its_pods_sign_with():
    story = await serving()
    live = story.live(CONFIG_MAP, "vmcp-one-c1")
    config = json.loads(live["data"]["config.json"])
    del config["signingKey"]
    live["data"]["config.json"] = json.dumps(config, sort_keys=True, separators=(",", ":"))
    # Its pods run the former release: they would refuse a config with a member that they do not know.
    assert await told(story, pod_1=[]) is None
    assert await told(story, pod_1=["1", "2"]) == "2"


@pytest.mark.scenario("K-11")
async def test_no_key_is_named_while_a_pod_of_the_former_release_runs_though_it_is_not_ready_for_a_moment():
    story = await serving()
    live = story.live(CONFIG_MAP, "vmcp-one-c1")
    config = json.loads(live["data"]["config.json"])
    del config["signingKey"]
    live["data"]["config.json"] = json.dumps(config, sort_keys=True, separators=(",", ":"))
    story.run_pod(ONE, "pod-1", report=healthy(story, "files", "docs"), conditions=NOT_READY)
    assert await told(story, pod_2=["1"]) is None
    assert await told(story, pod_1=["1"]) == "1"


@pytest.mark.scenario("K-11")
async def test_a_secret_that_somebody_else_wrote_decides_by_what_the_pods_tell():
    story = await serving()
    assert await told(story, pod_1=["2026-01", "2026-02"], pod_2=["2026-01"]) == "2026-01"
    assert await told(story, pod_2=["2026-01", "2026-02"]) == "2026-02"


async def test_what_a_pod_tells_of_keys_cannot_break_the_config_of_the_others():
    story = await serving()
    assert await told(story, pod_1=["1", "x" * 40, "a b"]) == "1"
