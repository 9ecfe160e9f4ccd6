"""A node that does not exist: what is scheduled to it is said to run, and answers the operator as a proxy would."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from e2e.scale.api import STRATEGIC, Api, Manifest
from vmcp_api.config import ProxyConfig
from vmcp_api.manifests.problems import Problems
from vmcp_api.naming import ADMIN_PORT
from vmcp_api.pod_status import BackendReport, Counts, Health, PodStatus, encode
from vmcp_api.render import config_hash, decode_config

NODE = "simulated"
LABEL = {"vmcp.dev/simulated": "true"}
HEARTBEAT_SECONDS = 10.0
CONFIG_KEY = "config.json"
TOOLS = 5
PROXY_TEMPLATE = {
    "spec": {
        "nodeSelector": LABEL,
        "tolerations": [{"key": "vmcp.dev/simulated", "operator": "Exists", "effect": "NoSchedule"}],
    }
}
"""What sends a pod there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the pods of an endpoint say at `/status`."""

    body: bytes
    etag: str


class SimulatedNode:
    """`run` plays the kubelet until it is cancelled; each pod has an address of its own within 127.0.0.0/8."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._runner = web.AppRunner(self._app(), access_log=None)
        self._addresses = _addresses()
        self._endpoints: dict[str, tuple[str, str]] = {}
        self._answers: dict[tuple[str, str], Answer] = {}
        self._started: set[str] = set()

    async def run(self) -> None:
        """Plays until cancelled."""
        await self._runner.setup()
        try:
            await self._register()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat())
                group.create_task(self._follow_configs())
                async for verb, pod in self._api.watch("/api/v1/pods", fieldSelector=f"spec.nodeName={NODE}"):
                    if verb != "DELETED":
                        group.create_task(self._play(pod))
        finally:
            await self._runner.cleanup()

    async def leave(self) -> None:
        """Takes the node away."""
        await self._api.delete(f"/api/v1/nodes/{NODE}")

    async def _register(self) -> None:
        taints = [{"key": "vmcp.dev/simulated", "value": "true", "effect": "NoSchedule"}]
        metadata = {"name": NODE, "labels": LABEL}
        await self._api.create(
            "/api/v1/nodes",
            {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints}},
        )
        await self._say_ready()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._say_ready()

    async def _say_ready(self) -> None:
        room = {"cpu": "10000", "memory": "10000Gi", "pods": "10000"}
        ready = {"type": "Ready", "status": "True", "reason": "Simulated", "message": "", "lastHeartbeatTime": _now()}
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        await self._api.patch(f"/api/v1/nodes/{NODE}/status", {"status": status}, STRATEGIC)

    async def _follow_configs(self) -> None:
        selector = "app.kubernetes.io/managed-by=vmcp-operator"
        async for verb, found in self._api.watch("/api/v1/configmaps", labelSelector=selector):
            key = _endpoint_of(found)
            text = (found.get("data") or {}).get(CONFIG_KEY)
            if verb != "DELETED" and text:
                config = decode_config(text, "ConfigMap")
                assert not isinstance(config, Problems), str(config)
                self._answers[key] = _answer(config)

    async def _play(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("deletionTimestamp"):
            await self._api.delete(path, gracePeriodSeconds=0)
            return
        if metadata["uid"] in self._started:
            return
        self._started.add(metadata["uid"])
        address = next(self._addresses)
        self._endpoints[address] = _endpoint_of(pod)
        await web.TCPSite(self._runner, address, ADMIN_PORT).start()
        await self._api.patch(f"{path}/status", {"status": _running(pod, address)}, STRATEGIC)

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/status", self._status)])
        return app

    async def _status(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        address, _ = request.transport.get_extra_info("sockname")
        answer = self._answers.get(self._endpoints[address])
        if answer is None:
            return web.Response(status=503)
        headers = {"ETag": answer.etag}
        if request.headers.get("If-None-Match") == answer.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=answer.body, content_type="application/json", headers=headers)


def _addresses() -> Iterator[str]:
    return (f"127.77.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))


def _endpoint_of(found: Manifest) -> tuple[str, str]:
    metadata = found["metadata"]
    return metadata["namespace"], metadata["labels"].get("app.kubernetes.io/instance", "")


def _answer(config: ProxyConfig) -> Answer:
    backends = tuple(
        BackendReport(
            name=each.name, kind=each.kind, status=Health.HEALTHY, transport=each.transport, tools=TOOLS, resources=0
        )
        for each in config.backends
    )
    digest = config_hash(config)
    counts = Counts(tools=TOOLS * len(backends), resources=0, prompts=0)
    return Answer(encode(PodStatus(config_hash=digest, backends=backends, counts=counts)), f'"{digest}"')


def _running(pod: Manifest, address: str) -> Manifest:
    now = _now()
    names = ("Initialized", "Ready", "ContainersReady", "PodReadyToStartContainers")
    conditions = [{"type": name, "status": "True", "lastTransitionTime": now} for name in names]
    containers: list[dict[str, Any]] = [
        {
            "name": each["name"],
            "image": each["image"],
            "imageID": "",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        for each in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "startTime": now,
        "hostIP": "127.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        "containerStatuses": containers,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
