"""Whether what the statuses say is so, and nothing is left over."""

import json
from collections.abc import Iterator
from itertools import chain

from e2e.chaos.stage import ENTRY, SERVERS, SHARED, SINGLE, Stage
from e2e.support.kube import Manifest, condition
from e2e.support.operators import holder_of

CHILDREN = (
    "deployments,services,configmaps,serviceaccounts,secrets,poddisruptionbudgets,networkpolicies,statefulsets,roles,"
    "rolebindings"
)
MANAGED = "app.kubernetes.io/managed-by=vmcp-operator"
OWN = "virtualmcpservers,mcpgroups,mcpservers,mcpserverentries"
REPLICAS = {SHARED: 2, SINGLE: 1}
WORDS = {"healthy": "ready", "degraded": "degraded", "unhealthy": "unavailable", "unauthenticated": "unauthenticated"}
"""What a pod says of a backend, and what the status of the resource calls that."""

REVISIONS = 12
"""ReplicaSets that a Deployment may keep, and the current one."""


def flaws(stage: Stage) -> list[str]:
    """What is not as it should be; each is a sentence."""
    found = chain(_endpoints(stage), _servers(stage), _group(stage), _children(stage), _pods(stage), _operators(stage))
    return list(found)


def is_behind(stage: Stage) -> bool:
    """Whether a Service leads elsewhere than to the ready pods behind it, or a pod that is wanted is not ready."""
    slices = stage.kube.list("endpointslices.discovery.k8s.io")
    led = {address for each in slices for end in each.get("endpoints") or () for address in end["addresses"]}
    pods = [pod for pod in stage.kube.list("pods") if not pod["metadata"].get("deletionTimestamp")]
    ready = {pod["status"]["podIP"] for pod in pods if condition(pod, "Ready").get("status") == "True"}
    deployments = stage.kube.list("deployments")
    is_short = any(each["status"].get("readyReplicas", 0) < each["spec"].get("replicas", 1) for each in deployments)
    return is_short or led != ready


def _endpoints(stage: Stage) -> Iterator[str]:
    for name, replicas in REPLICAS.items():
        live = stage.kube.get(f"virtualmcpserver/{name}")
        status, about = live.get("status") or {}, f"VirtualMCPServer {name}"
        if status.get("phase") != "Ready" or condition(live, "Ready").get("status") != "True":
            yield f"{about} is {status.get('phase')}: {status.get('message')}"
        if status.get("observedGeneration") != live["metadata"]["generation"]:
            yield f"{about} tells of an old generation"
        if status.get("readyReplicas") != replicas:
            yield f"{about} says {status.get('readyReplicas')} of {replicas} pods are ready"
        pods = [pod for pod in stage.proxies(name) if condition(pod, "Ready").get("status") == "True"]
        if len(pods) != replicas:
            yield f"{about} has {len(pods)} of {replicas} ready pods"
        said = {each["name"]: (each["status"], each.get("tools")) for each in status.get("backends") or ()}
        if set(said) != {*SERVERS, ENTRY}:
            yield f"{about} lists the backends {sorted(said)}"
        for pod in pods:
            report = _report(stage, pod)
            seen = {each["name"]: (WORDS.get(each["status"]), each.get("tools")) for each in report["backends"]}
            if seen != said:
                yield f"{about} says {said} of its backends, and its pod {seen}"
            if report["counts"].get("tools") != status.get("toolCount"):
                yield f"{about} says {status.get('toolCount')} tools, and its pod {report['counts'].get('tools')}"


def _report(stage: Stage, pod: Manifest) -> Manifest:
    url = f"http://{pod['status']['podIP']}:9090/status"
    report: Manifest = json.loads(stage.cluster.exec(["curl", "--silent", "--max-time", "5", url]))
    return report


def _servers(stage: Stage) -> Iterator[str]:
    for live in stage.kube.list("mcpservers"):
        name, status = live["metadata"]["name"], live.get("status") or {}
        deployment = stage.kube.get(f"deployment/mcp-{name}")
        ready = deployment["status"].get("readyReplicas", 0)
        if status.get("phase") != "Ready" or status.get("readyReplicas") != ready or not ready:
            said = f"{status.get('phase')} with {status.get('readyReplicas')} pods"
            yield f"MCPServer {name} is {said}, and its Deployment has {ready}"
        if name not in SERVERS:
            yield f"MCPServer {name} is left over"


def _group(stage: Stage) -> Iterator[str]:
    status = stage.kube.get("mcpgroup/tools").get("status") or {}
    counts = (status.get("phase"), status.get("serverCount"), status.get("entryCount"))
    if counts != ("Ready", len(SERVERS), 1):
        yield f"MCPGroup tools says {counts}"


def _children(stage: Stage) -> Iterator[str]:
    owners = {each["metadata"]["uid"] for each in json.loads(stage.kube.kubectl("get", OWN, "--output=json"))["items"]}
    listed = stage.kube.kubectl("get", CHILDREN, f"--selector={MANAGED}", "--output=jsonpath=" + _OWNERS)
    for line in listed.splitlines():
        kind, name, *uids = line.split()
        if not set(uids) <= owners or not uids:
            yield f"{kind} {name} is left over"
    sets = [each["metadata"]["ownerReferences"][0]["name"] for each in stage.kube.list("replicasets")]
    for name in set(sets):
        if sets.count(name) > REVISIONS:
            yield f"Deployment {name} has {sets.count(name)} ReplicaSets"
    if left := stage.foreign.list("configmaps", "foreign=true"):
        yield f"{len(left)} foreign ConfigMaps are left over"


_OWNERS = '{range .items[*]}{.kind} {.metadata.name} {.metadata.ownerReferences[*].uid}{"\\n"}{end}'
"""No content: Secrets are among them."""


def _pods(stage: Stage) -> Iterator[str]:
    for pod in (*stage.kube.list("pods"), *stage.operators.system.list("pods")):
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            yield f"Pod {name} does not end"
        elif condition(pod, "Ready").get("status") != "True":
            yield f"Pod {name} is not ready"


def _operators(stage: Stage) -> Iterator[str]:
    pods = stage.operators.pods()
    holder = stage.operators.lease()["spec"].get("holderIdentity")
    leaders = [pod for pod in pods if stage.operators.metric(pod, "leader_election_master_status") == 1]
    if [holder_of(pod) for pod in leaders] != [holder]:
        yield f"{[holder_of(pod) for pod in leaders]} work, and {holder} holds the Lease"
    for pod in pods:
        for reason in stage.operators.reasons(pod):
            yield f"operator {pod['metadata']['name']}: {reason}"
    for pod in leaders:
        if stage.operators.metric(pod, "vmcp_operator_watch_up") != 1:
            yield "the cluster is not watched"
