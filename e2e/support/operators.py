"""The operator's pods, as their probes, scrapes and logs show them."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime

from e2e.cluster import Cluster, ClusterError
from e2e.support.installation import RELEASE, SYSTEM
from e2e.support.kube import PATIENCE, Kube, Manifest
from e2e.support.watch import watch

LEASE = "lease/vmcp-operator"
WRITES = {"POST", "PATCH", "DELETE"}
"""A PUT is a renewal of the Lease, and nothing else is."""

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def holder_of(pod: Manifest) -> str:
    """Who a pod is in the Lease."""
    return f"{pod['metadata']['name']}_{pod['metadata']['uid']}"


def gap(before: Manifest, after: Manifest) -> float:
    """Seconds from the last renewal of a former holder to the take-over, as both wrote them on one machine."""
    return (_time(after["spec"]["acquireTime"]) - _time(before["spec"]["renewTime"])).total_seconds()


class Operators:
    """The pods of one release."""

    def __init__(self, cluster: Cluster, namespace: str = SYSTEM, release: str = RELEASE) -> None:
        self.cluster = cluster
        self.system = Kube(cluster, namespace)
        self._selector = f"app.kubernetes.io/instance={release}"

    def pods(self) -> list[Manifest]:
        """Those that are not on their way out."""
        found = self.system.list("pods", self._selector)
        return [each for each in found if not each["metadata"].get("deletionTimestamp")]

    def pod(self) -> Manifest:
        """The one pod that there is."""
        (pod,) = self.pods()
        return pod

    def ask(self, pod: Manifest, path: str) -> str:
        """What a pod answers at its port of probes and metrics."""
        address = pod["status"]["podIP"]
        return self.cluster.exec(["curl", "--silent", "--max-time", "5", f"http://{address}:8080{path}"])

    def reasons(self, pod: Manifest) -> list[str]:
        """Why it is not ready."""
        found: list[str] = json.loads(self.ask(pod, "/readyz"))["reasons"]
        return found

    def samples(self, pod: Manifest, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Every series of a metric: labels and value."""
        for found, labels, value in _SAMPLE.findall(self.ask(pod, "/metrics")):
            if found == name:
                yield dict(_LABEL.findall(labels)), float(value)

    def metric(self, pod: Manifest, name: str) -> float:
        """The one series of a metric."""
        ((_, value),) = self.samples(pod, name)
        return value

    def writes(self, pod: Manifest) -> float:
        """How many requests it has sent that change something, the Lease aside."""
        counted = self.samples(pod, "rest_client_requests_total")
        return sum(value for labels, value in counted if labels["method"] in WRITES)

    def is_standby(self, pod: Manifest) -> bool:
        """Whether it waits, and is ready for that."""
        return self.reasons(pod) == [] and self.metric(pod, "leader_election_master_status") == 0

    def lease(self) -> Manifest:
        """Who works, and since when."""
        return self.system.get(LEASE)

    def by_role(self) -> tuple[Manifest, Manifest]:
        """Of two pods the one that works and the one that waits, once there are two."""
        self.system.until_so("a leader", self._leader)
        leader = self._leader()
        (other,) = (each for each in self.pods() if leader and each["metadata"]["uid"] != leader["metadata"]["uid"])
        assert leader is not None
        return leader, other

    def until_led_by_another(self, former: Manifest) -> None:
        """Waits until another pod works: the one that waited, or the one that has come in the place of `former`."""
        deadline = time.monotonic() + PATIENCE
        while not any(self._leads(pod) for pod in self.pods() if holder_of(pod) != holder_of(former)):
            if time.monotonic() > deadline:
                raise ClusterError(f"no other pod works after {PATIENCE:.0f} s: {json.dumps(self.lease()['spec'])}")
            time.sleep(0.2)

    def until_led_by(self, pod: Manifest, after: Manifest | None = None) -> Manifest:
        """Waits until this pod works, or, where it did already at `after`, has begun anew and renewed the Lease."""
        holder, lease = holder_of(pod), self.lease()
        deadline = time.monotonic() + PATIENCE
        while not self._is_led(lease["spec"], holder, after) or not self._works(pod):
            if time.monotonic() > deadline:
                raise ClusterError(f"{holder} does not work after {PATIENCE:.0f} s: {json.dumps(lease['spec'])}")
            time.sleep(0.2)
            lease = self.lease()
        return lease

    def holders(self) -> Iterator[str]:
        """Who holds the Lease, then each time that it is written; empty where nobody does."""
        kind, _, name = LEASE.partition("/")
        command = ("get", kind, f"--namespace={self.system.namespace}", f"--field-selector=metadata.name={name}")
        for lease in watch(self.cluster, command, PATIENCE):
            yield lease["spec"].get("holderIdentity") or ""

    def _leader(self) -> Manifest | None:
        holder = self.lease()["spec"].get("holderIdentity")
        pods = {holder_of(each): each for each in self.pods()}
        return pods.get(holder) if len(pods) > 1 else None

    def _leads(self, pod: Manifest) -> bool:
        return self._is_led(self.lease()["spec"], holder_of(pod), None) and self._works(pod)

    def _is_led(self, spec: Manifest, holder: str, after: Manifest | None) -> bool:
        is_new = after is None or spec["renewTime"] > after["spec"]["renewTime"]
        return spec.get("holderIdentity") == holder and is_new

    def _works(self, pod: Manifest) -> bool:
        try:
            return self.metric(pod, "leader_election_master_status") == 1
        except (ClusterError, ValueError):
            # Its container is starting.
            return False


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
