"""What the operator may not see it says, and what is not its own does not fill its memory."""

import json
import re
import time

import pytest

from e2e.support.installation import RELEASE
from e2e.support.kube import condition
from e2e.support.manifests import group, server, vmcp
from e2e.support.operators import Operators
from e2e.support.rights import without

pytestmark = pytest.mark.usefixtures("unsettling")

FOREIGN_BYTES = 900_000
FOREIGN = 112
AT_A_TIME = 14
GROWTH_KIB = 10 * 1024
BACK_SECONDS = 30.0


QUIET_SECONDS = 5.0
"""Without a reconcile: then all that was there at the start has been looked at."""


class Operator(Operators):
    """The operator's one pod, and what it holds."""

    def not_watched(self):
        """Why it is not ready."""
        return self.reasons(self.pod())

    def told(self, name):
        """A metric of it."""
        return self.metric(self.pod(), name)

    def memory(self, field):
        """`VmRSS`, what it holds, or `VmHWM`, the most that it held; in KiB."""
        script = "print(open('/proc/1/status').read())"
        text = self.system.kubectl("exec", self.pod()["metadata"]["name"], "--", "python", "-c", script)
        return int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)[1])

    def restart(self):
        self.system.kubectl("rollout", "restart", f"deployment/{RELEASE}")
        self.system.kubectl("rollout", "status", f"deployment/{RELEASE}", "--timeout=90s")
        self.system.until_so("one pod", lambda: self.memory("VmHWM"))
        self.system.until_so("quiet", self._is_quiet)

    def _is_quiet(self):
        """Whether it has looked at all that others have left: what that takes is not the foreign data's."""
        done = self._reconciled()
        time.sleep(QUIET_SECONDS)
        return self._reconciled() == done

    def _reconciled(self):
        return sum(value for _, value in self.samples(self.pod(), "controller_runtime_reconcile_total"))

    def cut(self):
        """Ends its watches, as the API server asks for rights only when one begins."""
        self.cluster.hold("kube-apiserver")
        self.cluster.release("kube-apiserver")
        self.system.until_so("API server", lambda: answers(self.system))


def answers(system):
    try:
        return system.kubectl("get", "--raw", "/readyz")
    except Exception:  # noqa: BLE001 - whatever it says while it starts
        return None


@pytest.fixture(scope="module")
def operator(cluster):
    return Operator(cluster)


@pytest.mark.scenario("K-21")
def test_a_watch_that_is_refused_is_told_at_once_the_rest_goes_on_and_all_is_well_when_it_is_back(operator, kube):
    kube.apply(group())
    kube.until_phase("mcpgroup/tools", "Ready")
    with without(operator.system, "configmaps", "watch") as give_back:
        operator.cut()
        operator.system.until_so("refusal", lambda: any("/configmaps" in each for each in operator.not_watched()))
        assert any("HTTP 403" in each for each in operator.not_watched())
        assert operator.told("vmcp_operator_watch_up") == 0
        # Long enough for the library to end over it, and to be started again.
        operator.system.until_so("restart", lambda: operator.told("vmcp_operator_watch_restarts_total") >= 1)
        kube.apply(group("meanwhile"))
        kube.until_phase("mcpgroup/meanwhile", "Ready")
        give_back()
        operator.system.until_so("readiness", lambda: not operator.not_watched(), BACK_SECONDS)
        assert operator.told("vmcp_operator_watch_up") == 1
    kube.apply(group("after"))
    kube.until_phase("mcpgroup/after", "Ready")


@pytest.mark.scenario("K-21")
def test_a_resource_that_cannot_be_reconciled_says_so_and_recovers(operator, kube):
    kube.apply(group(), server("notes"), vmcp("refused"))
    ready = kube.until_phase("virtualmcpserver/refused", "Ready")
    with without(operator.system, "deployments", "get"):
        kube.patch("virtualmcpserver/refused", {"spec": {"serviceType": "NodePort"}})
        told = kube.until(
            "virtualmcpserver/refused", lambda live: condition(live, "Ready").get("reason") == "ReconcileFailed"
        )
        assert condition(told, "Ready")["status"] == "Unknown"
        assert 'cannot get resource "deployments"' in told["status"]["message"]
        assert told["status"]["url"] == ready["status"]["url"]
        events = [each for each in kube.list("events") if each["reason"] == "ReconcileFailed"]
        assert {each["type"] for each in events} == {"Warning"}
        kube.apply(vmcp("new", networkPolicy={"enabled": True}))
        kube.until("virtualmcpserver/new", lambda live: condition(live, "Ready").get("reason") == "ReconcileFailed")
    again = kube.until("virtualmcpserver/refused", lambda live: condition(live, "Ready").get("status") == "True")
    assert again["status"]["observedGeneration"] == again["metadata"]["generation"]
    kube.until_phase("virtualmcpserver/new", "Ready")


@pytest.mark.scenario("K-22")
@pytest.mark.timeout(600, func_only=True)
def test_foreign_data_does_not_fill_the_operators_memory(operator, kube):
    operator.restart()
    before, most_before = operator.memory("VmRSS"), operator.memory("VmHWM")
    for first in range(0, FOREIGN, AT_A_TIME):
        kinds = ("ConfigMap", "Secret") if first == 0 else ("ConfigMap",)
        items = [foreign(kind, first + each) for kind in kinds for each in range(AT_A_TIME)]
        kube.kubectl("create", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    # What came in as events, then what is listed at a start.
    assert operator.memory("VmRSS") - before < GROWTH_KIB
    operator.restart()
    assert operator.memory("VmHWM") - most_before < GROWTH_KIB


def foreign(kind, number):
    data = {"data": "x" * FOREIGN_BYTES}
    content = {"data": data} if kind == "ConfigMap" else {"stringData": data}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": f"foreign-{number}"}, **content}
