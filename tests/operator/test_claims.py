"""A cluster-wide operator beside one that has namespaces of its own (ADR-0064)."""

import logging

import pytest

from tests.operator.endpoints import ONE
from tests.operator.harness import Story
from tests.operator.manifests import ALL
from vmcp_operator.errors import Unavailable
from vmcp_operator.plan.kinds import CONFIG_MAP, DEPLOYMENT, Ref
from vmcp_operator.reconcile.dependents import Change
from vmcp_operator.watch.scope import Scope

CLAIM = """
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: vmcp-operator-claim
  namespace: default
  labels: {app.kubernetes.io/name: vmcp-operator}
data: {operator: team/vmcp-operator}
"""
REF = Ref(CONFIG_MAP, "default", "vmcp-operator-claim")
WHOLE = Scope()


@pytest.mark.scenario("K-25")
async def test_an_operator_of_the_whole_cluster_writes_nothing_where_another_one_is_at_home(caplog):
    caplog.set_level(logging.INFO, "vmcp_operator")
    story = Story(ALL + CLAIM, scope=WHOLE)
    assert await story.reconcile(ONE) is None
    await story.reconcile(ONE)
    assert story.cluster.writes == []
    assert not story.status(ONE)
    (told,) = [each for each in caplog.records if each.message == "namespace left to its own operator"]
    assert "team/vmcp-operator" in str(vars(told))


@pytest.mark.scenario("K-25")
async def test_it_takes_over_as_soon_as_the_claim_is_gone_and_leaves_again_when_it_comes():
    story = Story(ALL + CLAIM, scope=WHOLE)
    await story.reconcile(ONE)
    story.cluster.remove(REF)
    assert ONE in story.woken_by(Change(REF))
    await story.reconcile(ONE)
    assert story.has(DEPLOYMENT, "vmcp-one")
    story.run_pod(ONE)
    await story.reconcile(ONE)
    assert story.pods.targets[ONE]
    story.apply(CLAIM)
    assert ONE in story.woken_by(Change(REF))
    await story.reconcile(ONE)
    assert ONE not in story.pods.targets
    assert story.cluster.writes == []


@pytest.mark.scenario("K-25")
async def test_the_operator_whose_namespace_it_is_looks_at_no_claim():
    story = Story(ALL + CLAIM)
    await story.reconcile(ONE)
    assert story.has(DEPLOYMENT, "vmcp-one")


async def test_a_config_map_of_other_hands_is_no_claim():
    story = Story(ALL + CLAIM.replace("name: vmcp-operator}", "name: mine}"), scope=WHOLE)
    await story.reconcile(ONE)
    assert story.has(DEPLOYMENT, "vmcp-one")


async def test_a_resource_that_is_gone_is_forgotten_in_a_claimed_namespace_too():
    story = Story(ALL + CLAIM, scope=WHOLE)
    await story.reconcile(ONE)
    story.cluster.remove(ONE)
    await story.reconcile(ONE)
    assert ONE not in story.woken_by(Change(REF))


async def test_nothing_is_written_while_nobody_can_tell_whose_it_is():
    story = Story(ALL, scope=WHOLE)

    def away(verb: str, ref: Ref) -> None:
        if ref == REF:
            raise Unavailable(str(ref), 503, "away")

    story.cluster.fail = away
    with pytest.raises(Unavailable):
        await story.reconcile(ONE)
    assert story.cluster.writes == []
    assert ONE in story.woken_by(Change(REF))
