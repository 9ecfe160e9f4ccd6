"""Endpoints of two pods that share their sessions in a Redis of their namespace."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from e2e.support.installation import ROOT
from e2e.support.kube import Kube, Manifest
from e2e.support.network import reachable, tunnel

REDIS: Final = ROOT / "examples/kubernetes/redis.yaml"
SHARED: Final[dict[str, Any]] = {
    "replicas": 2,
    # Each connection may reach another pod.
    "sessionAffinity": "None",
    "sessionStorage": {
        "provider": "redis",
        "address": "redis:6379",
        "passwordRef": {"name": "redis", "key": "password"},
    },
}
"""What of a VirtualMCPServer makes two pods of it."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The endpoint's URLs as this machine reaches them: of the Service and of each pod."""

    service: str
    pods: tuple[str, str]
    names: tuple[str, str]


def is_complete(live: Manifest) -> bool:
    """Whether an endpoint serves with all its pods."""
    status = live.get("status") or {}
    return status.get("phase") == "Ready" and status.get("readyReplicas") == live["spec"].get("replicas", 1)


@asynccontextmanager
async def reached(kube: Kube, name: str, url: str) -> AsyncIterator[Proxies]:
    """An endpoint and its two running pods."""
    running = [pod for pod in kube.list("pods", _selector(name)) if not pod["metadata"].get("deletionTimestamp")]
    assert len(running) == 2
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(reachable(url))
        ports = [await stack.enter_async_context(tunnel(pod["status"]["podIP"], 4483)) for pod in running]
        first, second = (f"http://127.0.0.1:{port}/mcp" for port in ports)
        yield Proxies(service, (first, second), (running[0]["metadata"]["name"], running[1]["metadata"]["name"]))


async def requests_by_pod(kube: Kube, name: str) -> dict[str, float]:
    """The requests that each pod has counted, by its own metrics."""
    counts = {}
    for pod in kube.list("pods", _selector(name)):
        async with tunnel(pod["status"]["podIP"], 9090) as port, httpx2.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith("vmcp_requests_total")]
        counts[pod["metadata"]["name"]] = sum(float(line.rpartition(" ")[2]) for line in lines)
    return counts


async def ignoring_transport(check: Callable[[], Awaitable[Any]]) -> Any:
    """What a check says, or False where no connection could be had: a Service may lead to a dead pod for a moment."""
    try:
        return await check()
    except httpx2.TransportError:
        return False


def _selector(name: str) -> str:
    return f"app.kubernetes.io/name=vmcp,app.kubernetes.io/instance={name}"
