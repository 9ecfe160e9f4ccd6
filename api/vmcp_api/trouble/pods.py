"""What pods lack: those that cannot run, and those that are not ready yet."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeAlias

from vmcp_api.trouble.containers import container_trouble
from vmcp_api.trouble.said import MESSAGE_LIMIT, Trouble, moment

Manifest: TypeAlias = dict[str, Any]

QUIET_SECONDS: Final = 10.0
"""Any pod takes a moment to start: so long nothing is said of it that is no refusal."""

CONTAINERS_NOT_READY: Final = "ContainersNotReady"
"""Reason of a container that runs and whose probe has not succeeded."""

_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})


def is_running(pod: Manifest) -> bool:
    """Whether a pod runs and is not on its way out."""
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Manifest) -> bool:
    """Whether a pod gets traffic."""
    return is_running(pod) and _condition(pod, "Ready").get("status") == "True"


def find_trouble(pods: Iterable[Manifest], now: datetime) -> Trouble | None:
    """The trouble of the newest pod that cannot run."""
    return _first(pods, lambda pod: pod_trouble(pod, now))


def find_wait(pods: Iterable[Manifest], now: datetime) -> Trouble | None:
    """What the newest pod that is not ready waits for."""
    return _first(pods, lambda pod: None if is_ready(pod) else _wait(pod, now))


def pod_trouble(pod: Manifest, now: datetime) -> Trouble | None:
    """Why a pod cannot run; one in a crash loop has trouble between two restarts too."""
    return next(filter(None, (container_trouble(each, now) for each in _containers(pod))), None)


def _wait(pod: Manifest, now: datetime) -> Trouble | None:
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        said = status.get("message") or status.get("reason") or "it ended"
        return Trouble(status.get("reason") or "PodFailed", f"a pod failed: {said[:MESSAGE_LIMIT]}")
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        said = scheduled.get("message", "")[:MESSAGE_LIMIT]
        return Trouble(scheduled.get("reason") or "Unschedulable", f"a pod waits for a node: {said}")
    created = moment(pod["metadata"].get("creationTimestamp"))
    left = 0.0 if created is None else QUIET_SECONDS - (now - created).total_seconds()
    if left > 0:
        return Trouble("PodsStarting", "", left)
    return _init_wait(pod) or _container_wait(pod) or _gate_wait(pod)


def _init_wait(pod: Manifest) -> Trouble | None:
    for each in (pod.get("status") or {}).get("initContainerStatuses") or ():
        if "running" in (each.get("state") or {}) and not each.get("started"):
            look = f"read its log with kubectl logs {pod['metadata']['name']} -c {each['name']}"
            return Trouble("PodInitializing", f"init container {each['name']!r} has not ended yet; {look}")
    return None


def _container_wait(pod: Manifest) -> Trouble | None:
    look = f"kubectl describe pod {pod['metadata']['name']} tells more"
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        state = each.get("state") or {}
        waiting = state.get("waiting") or {}
        if waiting.get("reason") in _STARTING:
            said = f": {waiting['message'][:MESSAGE_LIMIT]}" if waiting.get("message") else ""
            lacks = "a volume, such as a Secret or ConfigMap that does not exist, or its image, is not there yet"
            return Trouble(waiting["reason"], f"container {each['name']!r} is not started{said}; {lacks}; {look}")
        if "running" in state and not each.get("ready"):
            probe = "readiness" if each.get("started") else "startup"
            text = f"container {each['name']!r} runs, but its {probe} probe has not succeeded; {look}"
            return Trouble(CONTAINERS_NOT_READY, text)
    return None


def _gate_wait(pod: Manifest) -> Trouble | None:
    ready = _condition(pod, "Ready")
    if ready.get("status") == "False" and ready.get("message"):
        return Trouble(ready.get("reason") or "PodNotReady", f"a pod is not ready: {ready['message'][:MESSAGE_LIMIT]}")
    return None


def _first(pods: Iterable[Manifest], ask: Callable[[Manifest], Trouble | None]) -> Trouble | None:
    newest = sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)
    staying = (pod for pod in newest if not pod["metadata"].get("deletionTimestamp"))
    return next(filter(None, map(ask, staying)), None)


def _containers(pod: Manifest) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _condition(pod: Manifest, name: str) -> dict[str, Any]:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == name), {})
