"""The resources of a fleet: endpoints with a group and backends each, over some namespaces."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from e2e.scale.api import Api, Manifest

GROUP = "/apis/vmcp.dev/v1beta1"
PREFIX = "scale-"


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many there are; backends are entries, so that nothing but the proxies has pods."""

    endpoints: int = 200
    backends: int = 10
    namespaces: int = 10

    @property
    def names(self) -> list[str]:
        """The namespaces."""
        return [f"{PREFIX}{number}" for number in range(self.namespaces)]

    def resources(self) -> Iterator[tuple[str, Manifest]]:
        """Each with the path to create it at; the endpoints are last."""
        for kind, make in (("mcpgroups", _group), ("mcpserverentries", None), ("virtualmcpservers", _vmcp)):
            for number in range(self.endpoints):
                path = f"{GROUP}/namespaces/{PREFIX}{number % self.namespaces}/{kind}"
                if make is not None:
                    yield path, make(number)
                else:
                    yield from ((path, _entry(number, each)) for each in range(self.backends))

    async def create(self, api: Api) -> None:
        """Makes all of it, before there is an operator."""
        for name in self.names:
            await api.create(
                "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        limit = asyncio.Semaphore(16)

        async def create(path: str, manifest: Manifest) -> None:
            async with limit:
                await api.create(path, manifest)

        async with asyncio.TaskGroup() as group:
            for path, manifest in self.resources():
                group.create_task(create(path, manifest))

    async def remove(self, api: Api) -> None:
        """Deletes the namespaces; what is in them goes meanwhile."""
        for name in self.names:
            await api.delete(f"/api/v1/namespaces/{name}")

    async def until_told(self, api: Api, phase: str | None = None) -> None:
        """Waits until each endpoint has a status of its generation, or one with this phase."""
        waiting = {f"endpoint-{number}" for number in range(self.endpoints)}
        async for verb, live in api.watch(f"{GROUP}/virtualmcpservers"):
            status = live.get("status") or {}
            is_current = status.get("observedGeneration") == live["metadata"]["generation"]
            if verb != "DELETED" and is_current and phase in (None, status.get("phase")):
                waiting.discard(live["metadata"]["name"])
            if not waiting:
                return


def _group(number: int) -> Manifest:
    return _resource("MCPGroup", f"group-{number}", {})


def _entry(number: int, backend: int) -> Manifest:
    url = f"https://backend-{backend}.endpoint-{number}.example.com/mcp"
    spec = {"remoteUrl": url, "transport": "streamable-http", "groupRef": {"name": f"group-{number}"}}
    return _resource("MCPServerEntry", f"entry-{number}-{backend}", spec)


def _vmcp(number: int) -> Manifest:
    spec = {"groupRef": {"name": f"group-{number}"}, "incomingAuth": {"type": "anonymous"}}
    return _resource("VirtualMCPServer", f"endpoint-{number}", spec)


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}
