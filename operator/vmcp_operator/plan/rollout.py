"""How a Deployment fares: its numbers, what keeps its pods from running, what they wait for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vmcp_api.trouble import Trouble
from vmcp_api.trouble.pods import CONTAINERS_NOT_READY, find_trouble, find_wait, is_ready, pod_trouble
from vmcp_api.trouble.said import MESSAGE_LIMIT
from vmcp_operator.plan.kinds import Manifest

ROLLING_OUT: Final = "RollingOut"
"""Reason while former pods, or pods with the former config, serve."""

_COMPLETE: Final = "NewReplicaSetAvailable"
"""Reason that the Deployment's controller keeps from the end of a rollout until the next template."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The numbers of a Deployment and what is wrong with it; `wanted` is None before there is one.

    `steady` are the ready pods that are in no crash loop. `is_current` says that the Deployment's controller has seen
    its present generation, `has_arrived` that the rollout of its present template was complete once. `trouble` needs
    a person, `waiting` may need time alone.
    """

    wanted: int | None = None
    replicas: int = 0
    ready: int = 0
    steady: int = 0
    updated: int = 0
    is_current: bool = True
    has_arrived: bool = False
    trouble: Trouble | None = None
    waiting: Trouble | None = None

    @property
    def has_several(self) -> bool:
        """Whether more than one pod is wanted; a rollout, which runs one more for a while, is not meant."""
        return (self.wanted or 0) > 1

    @property
    def is_complete(self) -> bool:
        """Whether pods of the present template run and no former ones; scaling is no rollout."""
        return self.is_current and self.has_arrived and self.updated >= self.replicas

    @property
    def again(self) -> float | None:
        """Seconds after which time alone may have changed what is said of the pods."""
        said = (each.again for each in (self.trouble, self.waiting) if each and each.again)
        return min(said, default=None)

    def progress(self) -> str:
        """How far the pods of the present template are, and what they wait for."""
        if self.updated < self.replicas:
            far = f"rolling out: {self.updated} of {self.wanted} pods are of the present generation, the former serve"
        else:
            far = f"waiting for pods: {self.ready} of {self.wanted or 1} ready"
        return "; ".join(filter(None, (far, self.waiting.message if self.waiting else "")))


def observe_rollout(
    deployment: Manifest | None, pods: Iterable[Manifest], now: datetime, said: Trouble | None = None
) -> Rollout:
    """The state of a Deployment from its own status and from its pods; `said` is why they answer not to be ready."""
    if deployment is None:
        return Rollout()
    pods = tuple(pods)
    status = deployment.get("status") or {}
    # A status of an older generation speaks of pods that are about to be replaced.
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    conditions = {each["type"]: each for each in status.get("conditions") or ()} if is_current else {}
    ready = status.get("readyReplicas", 0)
    waiting = find_wait(pods, now)
    if said and waiting and waiting.reason == CONTAINERS_NOT_READY:
        # The kubelet knows that a probe has not succeeded, and not why.
        waiting = said
    return Rollout(
        wanted=deployment["spec"].get("replicas", 1),
        replicas=status.get("replicas", 0),
        ready=ready,
        steady=max(0, ready - sum(is_ready(pod) and pod_trouble(pod, now) is not None for pod in pods)),
        updated=status.get("updatedReplicas", 0) if is_current else 0,
        is_current=is_current,
        has_arrived=conditions.get("Progressing", {}).get("reason") == _COMPLETE,
        trouble=find_trouble(pods, now) or _deployment_trouble(conditions, waiting),
        waiting=waiting,
    )


def observe_stateful_set(stateful_set: Manifest | None, pods: Iterable[Manifest], now: datetime) -> Rollout:
    """The state of a StatefulSet, in the same words; its conditions say nothing."""
    if stateful_set is None:
        return Rollout()
    pods = tuple(pods)
    status = stateful_set.get("status") or {}
    is_current = status.get("observedGeneration", 0) >= stateful_set["metadata"].get("generation", 0)
    ready = status.get("readyReplicas", 0)
    return Rollout(
        wanted=stateful_set["spec"].get("replicas", 1),
        replicas=status.get("replicas", 0),
        ready=ready,
        steady=max(0, ready - sum(is_ready(pod) and pod_trouble(pod, now) is not None for pod in pods)),
        updated=status.get("updatedReplicas", 0) if is_current else 0,
        is_current=is_current,
        has_arrived=is_current and status.get("currentRevision") == status.get("updateRevision"),
        trouble=find_trouble(pods, now),
        waiting=find_wait(pods, now),
    )


def both(first: Rollout, second: Rollout) -> Rollout:
    """Two workloads that serve together: as far as the one that is less far, troubled by either."""
    return Rollout(
        wanted=second.wanted,
        replicas=max(first.replicas, second.replicas),
        ready=min(first.ready, second.ready),
        steady=min(first.steady, second.steady),
        updated=min(first.updated, second.updated),
        is_current=first.is_current and second.is_current,
        has_arrived=first.has_arrived and second.has_arrived,
        trouble=first.trouble or second.trouble,
        waiting=first.waiting or second.waiting,
    )


def _deployment_trouble(conditions: dict[str, Any], waiting: Trouble | None) -> Trouble | None:
    failure = conditions.get("ReplicaFailure")
    if failure and failure["status"] == "True":
        message = failure.get("message", "")[:MESSAGE_LIMIT]
        return Trouble("PodsRefused", f"pods cannot be created: {message}; raise the quota or correct the pod template")
    progressing = conditions.get("Progressing")
    if progressing and progressing.get("reason") == "ProgressDeadlineExceeded":
        message = progressing.get("message", "")[:MESSAGE_LIMIT]
        cause = waiting.message if waiting and waiting.message else "look at the pods' events with kubectl describe pod"
        return Trouble("ProgressDeadlineExceeded", f"{message}; {cause}")
    return None
