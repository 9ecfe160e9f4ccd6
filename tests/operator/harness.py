"""An operator without kopf over an API server in memory, with pods that say what a test wants."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from tests.operator.memory import MemoryCluster
from vmcp_api.pod_status import PodStatus
from vmcp_operator.plan.kinds import DEPLOYMENT, POD, REPLICA_SET, VMCP, Kind, Manifest, Ref
from vmcp_operator.plan.objects.naming import labels, object_name
from vmcp_operator.plan.world import PodSettings, Target
from vmcp_operator.reconcile.apply import Applier
from vmcp_operator.reconcile.claims import Claims
from vmcp_operator.reconcile.dependents import Change, Dependents
from vmcp_operator.reconcile.observe import Observer
from vmcp_operator.reconcile.reconciler import Reconciler
from vmcp_operator.reconcile.reporter import Reporter
from vmcp_operator.watch.scope import Scope

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SETTINGS = PodSettings("registry.test/vmcp:1", namespace="vmcp-system", lifecycle=True)
NAMESPACE = Scope(("default",))


def read_manifests(text: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(text) if each]


@dataclass
class Pods:
    """Plays the poller: remembers who is watched, answers from `reports`."""

    reports: dict[str, PodStatus] = field(default_factory=dict)
    targets: dict[Ref, tuple[Target, ...]] = field(default_factory=dict)
    digests: dict[Ref, str | None] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)

    def is_awaited(self, uid: str) -> bool:
        return uid in self.awaited

    def report(self, uid: str) -> PodStatus | None:
        return self.reports.get(uid)

    def watch(self, key: Ref, targets: tuple[Target, ...], digest: str | None) -> None:
        self.targets[key] = targets
        self.digests[key] = digest

    def forget(self, key: Ref) -> None:
        self.targets.pop(key, None)


class Story:
    """Applies manifests, reconciles, lets time pass; `cluster.writes` tells what the operator wrote."""

    def __init__(self, text: str = "", settings: PodSettings = SETTINGS, scope: Scope = NAMESPACE) -> None:
        self.cluster = MemoryCluster()
        self.scope = scope
        self.pods = Pods()
        self.now = START
        self.restart(settings)
        self.apply(text)

    def restart(self, settings: PodSettings) -> None:
        """Another process of the operator, which remembers nothing."""
        self.dependents = Dependents()
        self.reporter = Reporter(self.cluster, clock=self._seconds, instance="test")
        self.reconciler = Reconciler(
            Observer(self.cluster, self.pods, settings, clock=lambda: self.now),
            Applier(self.cluster, entropy=bytes),
            self.reporter,
            self.dependents,
            self.pods,
            Claims(self.cluster, yields=self.scope.is_cluster),
        )

    def apply(self, text: str) -> None:
        for manifest in read_manifests(text):
            self.cluster.put(manifest)

    def _seconds(self) -> float:
        return (self.now - START).total_seconds()

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def reconcile(self, key: Ref) -> float | None:
        """One step; the writes of earlier ones are forgotten."""
        self.cluster.writes.clear()
        return await self.reconciler.reconcile(key)

    def woken_by(self, change: Change) -> frozenset[Ref]:
        return self.dependents.keys_of(change)

    def live(self, kind: Kind, name: str) -> Manifest:
        return self.cluster.objects[Ref(kind, "default", name)]

    def has(self, kind: Kind, name: str) -> bool:
        return Ref(kind, "default", name) in self.cluster.objects

    def status(self, key: Ref) -> dict[str, Any]:
        return self.cluster.objects[key].get("status", {})

    def condition(self, key: Ref, name: str) -> dict[str, Any]:
        return next(each for each in self.status(key)["conditions"] if each["type"] == name)

    def run_pod(self, key: Ref, name: str = "pod-1", *, report: PodStatus | None = None, **status: Any) -> str:
        """Plays the Deployment's controller and the kubelet: a ready pod, unless `status` says otherwise."""
        deployment = self.cluster.objects[Ref(DEPLOYMENT, key.namespace, object_name(key))]
        replica_set = self._owned(REPLICA_SET, f"{object_name(key)}-rs", key, deployment)
        pod = self._owned(POD, name, key, replica_set)
        pod["status"] = {
            "phase": "Running",
            "podIP": "192.0.2.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            **status,
        }
        ready = sum(
            each["status"].get("conditions") == [{"type": "Ready", "status": "True"}]
            for ref, each in self.cluster.objects.items()
            if ref.kind is POD
        )
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": max(ready, 1),
            "updatedReplicas": max(ready, 1),
            "readyReplicas": ready,
            "conditions": [
                {
                    "type": "Progressing",
                    "status": "True",
                    "reason": "NewReplicaSetAvailable" if ready else "ReplicaSetUpdated",
                }
            ],
        }
        if report is not None:
            self.pods.reports[pod["metadata"]["uid"]] = report
        return str(pod["metadata"]["uid"])

    def _owned(self, kind: Kind, name: str, key: Ref, owner: Manifest) -> Manifest:
        ref = Ref(kind, key.namespace, name)
        if ref not in self.cluster.objects:
            self.cluster.put(
                {
                    "apiVersion": kind.api_version,
                    "kind": kind.name,
                    "metadata": {
                        "name": name,
                        "namespace": key.namespace,
                        "labels": labels(key),
                        "creationTimestamp": f"2026-05-04T12:00:{len(self.cluster.objects):02}Z",
                        "ownerReferences": [
                            {"kind": owner["kind"], "uid": owner["metadata"]["uid"], "controller": True}
                        ],
                    },
                }
            )
        return self.cluster.objects[ref]


def vmcp(name: str = "one") -> Ref:
    return Ref(VMCP, "default", name)
