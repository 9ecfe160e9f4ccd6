"""How a Deployment fares, and what keeps its pods from running."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from vmcp_operator.plan.kinds import Manifest

_IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_CRASH: Final = "CrashLoopBackOff"
_MESSAGE_LIMIT: Final = 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why pods do not run: a stable reason and words for a person."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """The numbers of a Deployment and what is wrong with it; `wanted` is None before there is one."""

    wanted: int | None = None
    replicas: int = 0
    ready: int = 0
    updated: int = 0
    trouble: Trouble | None = None

    @property
    def has_several(self) -> bool:
        """Whether more than one pod is wanted; a rollout, which runs one more for a while, is not meant."""
        return (self.wanted or 0) > 1

    @property
    def is_complete(self) -> bool:
        """Whether as many pods are ready as are wanted, all of the present template."""
        return self.wanted is not None and self.ready >= self.wanted and self.updated >= self.wanted


def observe_rollout(deployment: Manifest | None, pods: Iterable[Manifest]) -> Rollout:
    """The state of a Deployment from its own status and from its pods."""
    if deployment is None:
        return Rollout()
    status = deployment.get("status") or {}
    # A status of an older generation speaks of pods that are about to be replaced.
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return Rollout(
        wanted=deployment["spec"].get("replicas", 1),
        replicas=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        updated=status.get("updatedReplicas", 0) if is_current else 0,
        trouble=_pod_trouble(pods) or _deployment_trouble(status if is_current else {}),
    )


def is_running(pod: Manifest) -> bool:
    """Whether a pod runs and is not on its way out."""
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Manifest) -> bool:
    """Whether a pod gets traffic."""
    return is_running(pod) and any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or ()
    )


def _pod_trouble(pods: Iterable[Manifest]) -> Trouble | None:
    """The trouble of the newest pod that has some."""
    newest = sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)
    for pod in newest:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        if trouble := _trouble(pod):
            return trouble
    return None


def _trouble(pod: Manifest) -> Trouble | None:
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in statuses:
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in _IMAGE_REASONS:
            return _say("ImagePullFailed", container, waiting, "correct the image or the pull secret")
        if reason in _CONFIG_REASONS:
            return _say("ContainerConfigInvalid", container, waiting, "correct what it names")
        if reason == _CRASH:
            ended = (container.get("lastState") or {}).get("terminated") or {}
            return _say("CrashLoop", container, ended or waiting, "read its log with kubectl logs --previous")
    return None


def _say(reason: str, container: dict[str, Any], cause: dict[str, Any], remedy: str) -> Trouble:
    code = f" with exit code {cause['exitCode']}" if "exitCode" in cause else ""
    said = (cause.get("message") or cause.get("reason") or "").strip()
    ends = "ends again and again" if reason == "CrashLoop" else "does not start"
    text = f"container {container['name']!r} {ends}{code}: {said[:_MESSAGE_LIMIT]}; {remedy}"
    return Trouble(reason, text)


def _deployment_trouble(status: dict[str, Any]) -> Trouble | None:
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    failure = conditions.get("ReplicaFailure")
    if failure and failure["status"] == "True":
        message = failure.get("message", "")[:_MESSAGE_LIMIT]
        return Trouble("PodsRefused", f"pods cannot be created: {message}; raise the quota or correct the pod template")
    progressing = conditions.get("Progressing")
    if progressing and progressing.get("reason") == "ProgressDeadlineExceeded":
        message = progressing.get("message", "")[:_MESSAGE_LIMIT]
        return Trouble("ProgressDeadlineExceeded", f"{message}; look at the pods' events with kubectl describe pod")
    return None
