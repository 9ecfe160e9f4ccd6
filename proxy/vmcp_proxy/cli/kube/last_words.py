"""The last line that the programs of an endpoint's servers wrote before they ended."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Final

from vmcp_api.kinds.virtualmcpserver import BackendHealth
from vmcp_api.trouble.containers import CRASH_LOOP, container_trouble
from vmcp_api.trouble.pods import Manifest
from vmcp_proxy.cli.exits import CommandError
from vmcp_proxy.cli.kube.kubectl import AbsentError, Kubectl

_MOST: Final = 8
"""Containers whose logs are read; each costs a question."""

_LINES: Final = 20
_CHARACTERS: Final = 400

_GONE: Final = "unable to retrieve container logs for "
"""How the kubelet answers, as if it were the log, where it has removed the container already."""


def read_last_words(kubectl: Kubectl, endpoint: Manifest, pods: tuple[Manifest, ...], now: datetime) -> dict[str, str]:
    """The line by MCPServer, of those that do not answer and whose containers end again and again.

    What has no log any more, or wrote nothing, is left out.

    Raises:
        DeniedError: this person may not read logs.
    """
    found: dict[str, str] = {}
    for server, pod, container in islice(_looping(endpoint, pods, now), _MOST):
        if line := _last_line(kubectl, pod, container):
            found.setdefault(server, line)
    return found


def _looping(endpoint: Manifest, pods: tuple[Manifest, ...], now: datetime) -> Iterator[tuple[str, str, Manifest]]:
    silent = {
        each["name"]
        for each in (endpoint.get("status") or {}).get("backends") or ()
        if each.get("kind") == "MCPServer" and each.get("status") == BackendHealth.UNAVAILABLE
    }
    for pod in pods:
        labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
        server = labels.get("app.kubernetes.io/instance", "")
        if labels.get("app.kubernetes.io/name") != "mcp-server" or server not in silent:
            continue
        for each in (pod.get("status") or {}).get("containerStatuses") or ():
            trouble = container_trouble(each, now)
            if trouble is not None and trouble.reason == CRASH_LOOP:
                yield server, pod["metadata"]["name"], each


def _last_line(kubectl: Kubectl, pod: str, container: Manifest) -> str:
    """The end of what a container wrote that has ended; of one that runs again, of the run before."""
    # Of one that does not run the kubelet may have kept the last run alone.
    options = ("--previous",) if "running" in (container.get("state") or {}) else ()
    try:
        text = kubectl.read("logs", pod, f"--container={container['name']}", f"--tail={_LINES}", *options)
    except (AbsentError, CommandError):
        return ""
    lines = [each.strip() for each in text.splitlines() if each.strip() and not each.startswith(_GONE)]
    return lines[-1][:_CHARACTERS] if lines else ""
