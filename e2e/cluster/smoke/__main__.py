"""`python -m e2e.cluster.smoke`: cluster up, proxy and backends as pods, a client's call, cluster down."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from e2e.cluster import Cluster, ClusterError, Forward, Settings
from e2e.cluster.commands import wait_for
from e2e.cluster.settings import API_PORT
from e2e.cluster.smoke.manifests import HEADER, NAMESPACE, NODE_PORT, manifests
from e2e.images.catalog import archive_of, build_images

IMAGES = ("proxy", "backends")
VALUE = "seen through every layer"
CALL_TIMEOUT = 30.0

T = TypeVar("T")
Mode = Literal["legacy", "auto"]


def main() -> int:
    """Prints a line with the time of each step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster.smoke", description=__doc__)
    parser.add_argument("--port", type=int, default=API_PORT, help="for the API server")
    parser.add_argument("--mcp-port", type=int, default=14_483, help="for the endpoint")
    parser.add_argument("--dump", type=Path, help="where to write what is left after a failure")
    options = parser.parse_args()
    try:
        _step("images", lambda: build_images(name for name in IMAGES if not archive_of(name).exists()))
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                folder=Path(folder),
                port=options.port,
                images=tuple(archive_of(name) for name in IMAGES),
                forwards=(Forward(options.mcp_port, NODE_PORT),),
            )
            _run(settings, options.dump)
    except ClusterError as error:
        print(f"e2e.cluster.smoke: {error}", file=sys.stderr)
        return 1
    return 0


def _run(settings: Settings, dump: Path | None) -> None:
    cluster = _step("cluster up, images loaded", lambda: Cluster.up(settings))
    try:
        _step("pods ready", lambda: _deploy(cluster))
        url = f"http://127.0.0.1:{settings.forwards[0].host}/mcp"
        _step("endpoint answers through the NodePort", lambda: _wait_for_answer(url))
        tools = _step("tool called, legacy", lambda: asyncio.run(_call(url, "legacy")))
        _step("tool called, modern", lambda: asyncio.run(_call(url, "auto")))
        print(f"{'':9}tools: {', '.join(tools)}")
    except Exception:
        if dump is not None:
            cluster.dump(dump)
        raise
    finally:
        _step("cluster down", cluster.down)


def _deploy(cluster: Cluster) -> None:
    # A new namespace refuses pods until it has its default ServiceAccount.
    namespace, *objects = manifests()
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(namespace))
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={NAMESPACE}", "--timeout=20s")
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(listed))
    cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", f"--namespace={NAMESPACE}", "--timeout=60s")


def _wait_for_answer(url: str) -> None:
    """A pod is Ready a moment before the Service's rules lead to it."""

    def answers() -> bool:
        try:
            return httpx2.get(url, timeout=1).status_code > 0
        except httpx2.TransportError:
            return False

    wait_for(f"an answer of {url}", time.monotonic() + CALL_TIMEOUT, answers)


async def _call(url: str, mode: Mode) -> list[str]:
    """Lists and calls tools as a client does; the header has to reach the backend."""
    async with (
        asyncio.timeout(CALL_TIMEOUT),
        httpx2.AsyncClient(headers={HEADER: VALUE}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("headers_show_headers", {})
        content = result.content[0]
        if not isinstance(content, TextContent) or json.loads(content.text).get(HEADER.lower()) != VALUE:
            raise ClusterError("the header did not reach the backend")
        return tools


def _step(what: str, act: Callable[[], T]) -> T:
    began = time.monotonic()
    outcome = act()
    print(f"{time.monotonic() - began:7.2f}s {what}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
