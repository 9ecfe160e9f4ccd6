"""A fleet of 200 endpoints: the operator comes to its end with it, and then rests."""

import asyncio

import pytest

from e2e.scale.fleet import Fleet
from e2e.scale.measure import measure
from e2e.support.installation import DUMPS, RELEASE, SYSTEM
from e2e.support.operators import Operators

pytestmark = pytest.mark.usefixtures("unsettling")

MEMORY = 200 << 20
IDLE_SECONDS = 15.0


@pytest.fixture(scope="module")
def alone(cluster):
    """The cluster without its operator: another one works on it, as a process of this machine."""
    system = Operators(cluster).system
    deployment = f"deployment/{RELEASE}"
    system.kubectl("scale", deployment, "--replicas=0")
    system.until(deployment, lambda live: not live["status"].get("replicas"))
    yield cluster
    system.kubectl("scale", deployment, "--replicas=1")
    system.until(deployment, lambda live: live["status"].get("readyReplicas") == 1)


@pytest.mark.scenario("K-16", "K-3")
@pytest.mark.timeout(1200, func_only=True)
async def test_two_hundred_endpoints_become_ready_and_cost_nothing_from_then_on(alone):
    await asyncio.to_thread(DUMPS.mkdir, parents=True, exist_ok=True)
    log = DUMPS / "scale.log"
    # How long it takes is measured by `make scale`: here other tests and other programs may be at work.
    found = await measure(alone.kubeconfig, Fleet(), SYSTEM, log, IDLE_SECONDS)
    print(found)
    assert (found.idle_writes, found.idle_reconciles) == (0, 0)
    assert found.again_writes == 0
    assert max(found.peak, found.again_peak) < MEMORY
