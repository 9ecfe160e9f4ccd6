"""What the chaos happens to: two endpoints, their backends, a Redis, and two replicas of the operator."""

from dataclasses import dataclass

from e2e.cluster import Cluster
from e2e.support.installation import RELEASE, ROOT
from e2e.support.kube import Kube, Manifest
from e2e.support.manifests import entry, group, server, vmcp
from e2e.support.operators import Operators

NAMESPACE = "e2e-chaos"
FOREIGN = "e2e-chaos-foreign"
SHARED, SINGLE = "shared", "single"
SERVERS = ("notes", "headers")
ENTRY = "notes-by-url"
TOOL = "headers_show_headers"
REDIS = {"provider": "redis", "address": "redis:6379", "passwordRef": {"name": "redis", "key": "password"}}


@dataclass(frozen=True, slots=True)
class Stage:
    """The cluster, its operators, and the namespaces of the endpoints and of what is nobody's business."""

    cluster: Cluster
    operators: Operators
    kube: Kube
    foreign: Kube

    @classmethod
    def build(cls, cluster: Cluster) -> "Stage":
        """Returns when all of it is Ready."""
        stage = cls(cluster, Operators(cluster), Kube(cluster, NAMESPACE), Kube(cluster, FOREIGN))
        deployment = f"deployment/{RELEASE}"
        stage.operators.system.kubectl("scale", deployment, "--replicas=2")
        stage.kube.create_namespace()
        stage.foreign.create_namespace()
        stage.kube.kubectl("apply", f"--filename={ROOT / 'examples/kubernetes/redis.yaml'}")
        stage.kube.apply(*stage.resources())
        for name in (SHARED, SINGLE):
            stage.kube.until_phase(f"virtualmcpserver/{name}", "Ready", 180)
        stage.operators.system.until(deployment, lambda live: live["status"].get("readyReplicas") == 2)
        return stage

    @staticmethod
    def resources() -> tuple[Manifest, ...]:
        """What stands in the namespace from the first moment to the last."""
        url = f"http://mcp-notes.{NAMESPACE}.svc:8080/mcp"
        budget = {"maxUnavailable": 1}
        return (
            group(),
            *(server(name, name) for name in SERVERS),
            entry(ENTRY, url),
            vmcp(SHARED, replicas=2, sessionStorage=REDIS, podDisruptionBudget=budget, sessionAffinity="None"),
            vmcp(SINGLE),
        )

    def url(self, name: str) -> str:
        """Where an endpoint is, by its status."""
        url: str = self.kube.get(f"virtualmcpserver/{name}")["status"]["url"]
        return url

    def proxies(self, name: str) -> list[Manifest]:
        """The pods of an endpoint."""
        return self.kube.list("pods", f"app.kubernetes.io/name=vmcp,app.kubernetes.io/instance={name}")
