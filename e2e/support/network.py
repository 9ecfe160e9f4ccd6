"""A way into the cluster's network: a pod that dials, and sockets of this machine that lead to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from e2e.images.catalog import BACKENDS
from e2e.support import relay
from e2e.support.kube import Kube, Manifest

NAMESPACE = "e2e-relay"
NODE_PORT = 30480
HOST_PORT = 14480
PORT = 1080


def start_relay(kube: Kube) -> None:
    """Runs the relay in a namespace of its own; Services are reached through it as any pod reaches them."""
    kube.apply(_script(), _pod(), _service())
    kube.kubectl("wait", "--for=condition=Ready", "pod/relay", "--timeout=60s")


@asynccontextmanager
async def tunnel(host: str, port: int, near: int = 0) -> AsyncIterator[int]:
    """A port of this machine's loopback that leads to an address of the cluster, one connection to one.

    It is `near`, or one that is free.
    """

    async def dial(_reader: asyncio.StreamReader) -> relay.Streams:
        far = await asyncio.open_connection("127.0.0.1", HOST_PORT)
        far[1].write(f"{host} {port}\n".encode())
        return far

    async with relay.accepting(partial(asyncio.start_server, host="127.0.0.1", port=near), dial) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def reachable(url: str, near: int = 0) -> AsyncIterator[str]:
    """The URL by which this machine reaches a URL of the cluster, at port `near` or one that is free."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    async with tunnel(parts.hostname, parts.port or 80, near) as port:
        yield f"http://127.0.0.1:{port}{parts.path}"


def _script() -> Manifest:
    text = Path(relay.__file__).read_text()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "relay"}, "data": {"relay.py": text}}


def _pod() -> Manifest:
    container = {
        "name": "relay",
        "image": BACKENDS.name,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/backends/bin/python", "/relay/relay.py", str(PORT)],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "script", "mountPath": "/relay"}],
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "script", "configMap": {"name": "relay"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "relay", "labels": {"app": "relay"}}, "spec": spec}


def _service() -> Manifest:
    ports = [{"port": PORT, "nodePort": NODE_PORT}]
    spec = {"type": "NodePort", "selector": {"app": "relay"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "relay"}, "spec": spec}
