"""Which pods are asked how they fare."""

from collections.abc import Iterable

from vmcp_api.trouble.pods import is_ready, is_running
from vmcp_operator.plan.kinds import Manifest
from vmcp_operator.plan.world import Target


def targets_of(pods: Iterable[Manifest], port: int | None = None) -> tuple[Target, ...]:
    """The running pods, ready or not; `port` is their admin port where it is not the usual one."""
    return tuple(
        Target(pod["metadata"]["uid"], pod["status"]["podIP"], is_ready(pod), port)
        for pod in pods
        if is_running(pod) and pod["status"].get("podIP")
    )
