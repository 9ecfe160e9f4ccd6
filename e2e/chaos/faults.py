"""What can break, as functions that break it, wait, and make it whole again."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from e2e.chaos.stage import SERVERS, SHARED, SINGLE, Stage
from e2e.cluster import ClusterError
from e2e.cluster.addresses import NODE_NAME
from e2e.support.kube import Manifest, condition
from e2e.support.manifests import server, vmcp
from e2e.support.processes import etcd_of, operator_of, standing_still
from e2e.support.rights import without

EDITORS = 3
EDITS = 8
FOREIGN_BYTES = 900_000
FOREIGN = 112
AT_A_TIME = 14


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break something for `seconds`; where it `spares` calls, no client may notice it."""

    break_it: Callable[[Stage, float], None]
    seconds: float
    spares: bool

    @property
    def name(self) -> str:
        """For people."""
        return self.break_it.__name__.replace("_", " ")


def operator_killed(stage: Stage, seconds: float) -> None:
    """The container of the one that leads ends without a word."""
    leader, _ = stage.operators.by_role()
    os.kill(operator_of(leader), signal.SIGKILL)
    time.sleep(seconds)


def operator_frozen(stage: Stage, seconds: float) -> None:
    """The one that leads stands still until another one does, and wakes up."""
    leader, other = stage.operators.by_role()
    with standing_still(operator_of(leader)):
        stage.operators.until_led_by(other)
    time.sleep(seconds)


def operator_pod_deleted(stage: Stage, seconds: float) -> None:
    """The one that leads ends in order."""
    leader, _ = stage.operators.by_role()
    stage.operators.system.kubectl("delete", f"pod/{leader['metadata']['name']}", "--wait=false")
    time.sleep(seconds)


def api_server_stopped(stage: Stage, seconds: float) -> None:
    """Killed, away for a while, started again."""
    stage.cluster.hold("kube-apiserver")
    try:
        time.sleep(seconds)
    finally:
        stage.cluster.release("kube-apiserver")
    stage.operators.system.until_so("API server", lambda: is_served(stage))


def etcd_paused(stage: Stage, seconds: float) -> None:
    """Requests are taken and not answered."""
    with standing_still(etcd_of(stage.cluster)):
        time.sleep(seconds)
    stage.operators.system.until_so("API server", lambda: is_served(stage))


def right_taken_away(stage: Stage, seconds: float) -> None:
    """A resource changes while the operator may not read what it is made of."""
    with without(stage.operators.system, "deployments", "get"):
        edit(stage, SINGLE, 1)
        time.sleep(seconds)


def watch_right_taken_away(stage: Stage, seconds: float) -> None:
    """The watches begin anew, one of them is refused."""
    with without(stage.operators.system, "configmaps", "watch"):
        stage.cluster.hold("kube-apiserver")
        stage.cluster.release("kube-apiserver")
        stage.operators.system.until_so("API server", lambda: is_served(stage))
        time.sleep(seconds)


def resources_edited_by_several(stage: Stage, seconds: float) -> None:
    """Several people change the same resource; an endpoint and a backend come and go meanwhile."""
    stage.kube.apply(vmcp("passing"), server("passing"))
    editors = [threading.Thread(target=edit_often, args=(stage, number)) for number in range(EDITORS)]
    for each in editors:
        each.start()
    for each in editors:
        each.join()
    time.sleep(seconds)
    stage.kube.delete("virtualmcpserver/passing")
    stage.kube.delete("mcpserver/passing")


def foreign_data(stage: Stage, seconds: float) -> None:
    """100 MB of ConfigMaps that are nobody's business come and go."""
    for first in range(0, FOREIGN, AT_A_TIME):
        items = [foreign(first + each) for each in range(AT_A_TIME)]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        stage.foreign.kubectl("create", "--filename=-", stdin=listed)
    time.sleep(seconds)
    stage.foreign.delete("configmaps", "--selector=foreign=true")


def proxy_pod_deleted(stage: Stage, seconds: float) -> None:
    """One of two: its sessions go on at the other."""
    stage.kube.kubectl("delete", f"pod/{stage.proxies(SHARED)[0]['metadata']['name']}", "--wait=false")
    time.sleep(seconds)


def only_proxy_pod_killed(stage: Stage, seconds: float) -> None:
    """The one pod of an endpoint is gone at once; its process is ended some seconds later, and serves until then."""
    former = stage.proxies(SINGLE)[0]["metadata"]
    stage.kube.kubectl("delete", f"pod/{former['name']}", "--wait=false", "--force", "--grace-period=0")
    stage.kube.until_so("another pod that serves", lambda: any(map(is_ready, others(stage, SINGLE, former["uid"]))))
    time.sleep(seconds)


def backends_deleted(stage: Stage, seconds: float) -> None:
    """Every backend's pod, at once."""
    stage.kube.kubectl("delete", "pods", "--selector=app.kubernetes.io/name=mcp-server", "--wait=false", "--force")
    time.sleep(seconds)


def redis_restarted(stage: Stage, seconds: float) -> None:
    """Its sessions are lost."""
    stage.kube.kubectl("delete", "pods", "--selector=app=redis", "--wait=false", "--grace-period=0", "--force")
    time.sleep(seconds)


def node_drained(stage: Stage, seconds: float) -> None:
    """Cordoned, everything evicted that may be, and uncordoned; a budget keeps one of two proxies."""
    stage.cluster.kubectl("cordon", NODE_NAME)
    try:
        for kube in (stage.kube, stage.operators.system):
            for pod in kube.list("pods"):
                evict(stage, pod)
        time.sleep(seconds)
    finally:
        stage.cluster.kubectl("uncordon", NODE_NAME)


FAULTS = (
    Fault(operator_killed, 10, spares=True),
    Fault(operator_frozen, 5, spares=True),
    Fault(operator_pod_deleted, 10, spares=True),
    Fault(api_server_stopped, 25, spares=True),
    Fault(etcd_paused, 25, spares=True),
    Fault(right_taken_away, 15, spares=True),
    Fault(watch_right_taken_away, 15, spares=True),
    Fault(resources_edited_by_several, 10, spares=True),
    Fault(foreign_data, 5, spares=True),
    Fault(proxy_pod_deleted, 10, spares=False),
    Fault(only_proxy_pod_killed, 10, spares=False),
    Fault(backends_deleted, 10, spares=False),
    Fault(redis_restarted, 10, spares=False),
    Fault(node_drained, 10, spares=False),
)


def others(stage: Stage, name: str, uid: str) -> list[Manifest]:
    """The pods of an endpoint but for one."""
    return [each for each in stage.proxies(name) if each["metadata"]["uid"] != uid]


def is_ready(pod: Manifest) -> bool:
    """Whether Services route to a pod."""
    return condition(pod, "Ready").get("status") == "True"


def is_served(stage: Stage) -> bool:
    """Whether the API server is there."""
    try:
        return stage.cluster.kubectl("get", "--raw", "/readyz") == "ok"
    except ClusterError:
        return False


def edit(stage: Stage, name: str, number: int) -> None:
    """A change that no client notices."""
    timeouts = {"timeouts": {"default": f"{20 + number}s"}}
    stage.kube.patch(f"virtualmcpserver/{name}", {"spec": {"config": {"operational": timeouts}}})


def edit_often(stage: Stage, editor: int) -> None:
    """One of several editors."""
    for number in range(EDITS):
        edit(stage, SHARED, editor * EDITS + number)
        labels = {"metadata": {"labels": {f"editor-{editor}": str(number)}}}
        stage.kube.patch(f"mcpserver/{SERVERS[0]}", labels)


def foreign(number: int) -> Manifest:
    """A ConfigMap of somebody else."""
    metadata = {"name": f"foreign-{number}", "labels": {"foreign": "true"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"data": "x" * FOREIGN_BYTES}}


def evict(stage: Stage, pod: Manifest) -> None:
    """As `kubectl drain` does; a budget may refuse it."""
    metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    try:
        stage.cluster.kubectl("create", "--raw", path, "--filename=-", stdin=eviction)
    except ClusterError as error:
        if "disruption budget" not in str(error) and "not found" not in str(error):
            raise
