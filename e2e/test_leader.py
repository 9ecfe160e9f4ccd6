"""Several operators on one cluster: one writes, another takes over, and a second release is kept out."""

import os
import signal
from contextlib import closing

import pytest

from e2e.cluster import ClusterError
from e2e.support.installation import OPERATOR_CHART, RELEASE, SYSTEM, operator_values
from e2e.support.kube import Kube
from e2e.support.manifests import group
from e2e.support.operators import LEASE, Operators, gap, holder_of
from e2e.support.processes import operator_of, standing_still

FAILOVER = 20.0
"""By the times in the Lease, so that it is the operator's time and not that of a busy machine's kubectl."""

OTHER = "vmcp-other"


@pytest.fixture(scope="module")
def operators(cluster):
    """Two replicas of the operator, both at work: one writes, one waits."""
    found = Operators(cluster)
    deployment = f"deployment/{RELEASE}"
    found.system.kubectl("scale", deployment, "--replicas=2")
    found.system.until(deployment, lambda live: live["status"].get("readyReplicas") == 2)
    yield found
    found.system.kubectl("scale", deployment, "--replicas=1")
    found.system.until(deployment, lambda live: live["status"]["replicas"] == 1)
    found.system.until_so("one pod", lambda: len(found.pods()) == 1)


@pytest.mark.scenario("K-14", "K-25")
def test_both_are_ready_and_one_works(operators, kube):
    leader, other = operators.by_role()
    kube.apply(group())
    kube.until_phase("mcpgroup/tools", "Ready")
    assert operators.reasons(leader) == []
    assert operators.metric(leader, "leader_election_master_status") == 1
    assert operators.is_standby(other)
    assert operators.writes(other) == 0


@pytest.mark.scenario("K-14")
def test_a_leader_that_stands_still_is_replaced_and_writes_nothing_when_it_wakes_up(operators, kube):
    leader, other = operators.by_role()
    written = operators.writes(leader)
    with standing_still(operator_of(leader)):
        left = operators.lease()
        assert gap(left, operators.until_led_by(other)) < FAILOVER
        kube.apply(group("meanwhile"))
        kube.until_phase("mcpgroup/meanwhile", "Ready")
    operators.system.until_so("awake", lambda: operators.is_standby(leader))
    kube.apply(group("after"))
    kube.until_phase("mcpgroup/after", "Ready")
    assert operators.writes(leader) == written


@pytest.mark.scenario("K-14", "K-13")
def test_a_lease_that_is_touched_or_deleted_by_hand_stays_with_its_holder(operators, kube):
    leader, other = operators.by_role()
    written = operators.writes(other)
    for number in range(5):
        operators.system.kubectl("annotate", LEASE, f"touched={number}", "--overwrite")
    operators.system.kubectl("delete", LEASE)
    operators.system.until_so("a Lease", lambda: operators.system.exists(LEASE))
    assert operators.is_standby(other)
    operators.until_led_by(leader)
    kube.apply(group("touched"))
    kube.until_phase("mcpgroup/touched", "Ready")
    assert operators.writes(other) == written


@pytest.mark.scenario("K-14")
def test_a_leader_whose_pod_is_gone_at_once_is_replaced(operators, kube):
    leader, other = operators.by_role()
    os.kill(operator_of(leader), signal.SIGSTOP)
    left = operators.lease()
    operators.system.delete(f"pod/{leader['metadata']['name']}", "--force", "--grace-period=0")
    assert gap(left, operators.until_led_by(other)) < FAILOVER
    kube.apply(group("gone"))
    kube.until_phase("mcpgroup/gone", "Ready")
    operators.system.until(f"deployment/{RELEASE}", lambda live: live["status"].get("readyReplicas") == 2)


@pytest.mark.scenario("K-14")
def test_a_container_that_is_killed_goes_on_in_its_pod(operators, kube):
    leader, _ = operators.by_role()
    lease = operators.lease()
    os.kill(operator_of(leader), signal.SIGKILL)
    operators.until_led_by(leader, after=lease)
    kube.apply(group("killed"))
    kube.until_phase("mcpgroup/killed", "Ready")


@pytest.mark.scenario("K-14")
def test_a_leader_that_ends_in_order_hands_over_before_the_lease_runs_out(operators, kube):
    leader, _ = operators.by_role()
    with closing(operators.holders()) as holders:
        assert next(holders) == holder_of(leader)
        operators.system.kubectl("delete", f"pod/{leader['metadata']['name']}", "--wait=false")
        # However late the kubelet is: it empties the Lease itself, instead of leaving it to run out.
        given_back = next(each for each in holders if each != holder_of(leader))
    assert given_back == ""
    # The pod that has come in its place may look before the one that waits.
    operators.until_led_by_another(leader)
    kube.apply(group("handed"))
    kube.until_phase("mcpgroup/handed", "Ready")
    operators.system.until(f"deployment/{RELEASE}", lambda live: live["status"].get("readyReplicas") == 2)


@pytest.mark.scenario("K-25")
def test_a_second_release_is_refused_and_with_a_shared_lease_it_waits(operators, cluster, kube):
    second = Kube(cluster, OTHER)
    second.create_namespace()
    install = ("install", "second", str(OPERATOR_CHART), f"--namespace={OTHER}", *operator_values())
    try:
        with pytest.raises(ClusterError, match=r"vmcp-operator-claim.*exists and cannot be imported"):
            cluster.helm(*install)
        shared = (f"--set=leaderElection.namespace={SYSTEM}", "--wait", "--timeout=90s")
        cluster.helm(*install, *shared)
        theirs = Operators(cluster, OTHER, "second")
        (waiting,) = theirs.pods()
        kube.apply(group("two-releases"))
        kube.until_phase("mcpgroup/two-releases", "Ready")
        assert theirs.is_standby(waiting)
        assert theirs.writes(waiting) == 0
        assert operators.lease()["spec"]["holderIdentity"].startswith(f"{RELEASE}-")
    finally:
        cluster.helm("uninstall", "second", f"--namespace={OTHER}", "--ignore-not-found", "--wait")
        second.delete_namespace()
