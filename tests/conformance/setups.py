"""What stands behind the URL that the suite judges."""

import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.ports import free_port
from tests.conformance.fixture.tools import NAMES
from tests.conformance.installing import ROOT, FailedError
from tests.servers.running import VMCP, listening, program

FIRST: Final = "fixture"
SECOND: Final = "second"
DEAD: Final = "dead"


@dataclass(frozen=True, slots=True)
class Setup:
    """The backends of a proxy by name, each with the eras of its fixture, or None for one that is not there.

    Without a proxy (`is_direct`) the suite speaks to the first of them.
    """

    name: str
    title: str
    backends: Mapping[str, str | None]
    is_direct: bool = False
    counts: bool = False


SETUPS: Final = (
    Setup("alone", "the fixture itself, without a proxy", {FIRST: "both"}, is_direct=True, counts=True),
    Setup("one", "one backend, in both eras", {FIRST: "both"}, counts=True),
    Setup(
        "group",
        "a group: the fixture, a backend of the legacy era, a dead one",
        {FIRST: "both", SECOND: "legacy", DEAD: None},
        counts=True,
    ),
    Setup("legacy", "one backend, in the legacy era only", {FIRST: "legacy"}),
    Setup("modern", "one backend, in the modern era only", {FIRST: "modern"}),
)


def manifests(urls: Mapping[str, str]) -> str:
    """A proxy before backends by their URLs; the first has its names bare, as a suite expects to find them."""
    first, *others = urls
    renamed = [{"workload": name, "overrides": {tool: {"name": f"{name}_{tool}"} for tool in NAMES}} for name in others]
    aggregation: dict[str, Any] = {
        "conflictResolution": "priority",
        "conflictResolutionConfig": {"priorityOrder": [first]},
    }
    if renamed:
        aggregation["tools"] = renamed
    group = "conformance"
    spec = {"groupRef": {"name": group}, "incomingAuth": {"type": "anonymous"}, "config": {"aggregation": aggregation}}
    return yaml.safe_dump_all(
        [
            _manifest("VirtualMCPServer", group, spec),
            _manifest("MCPGroup", group, {}),
            *(
                _manifest(
                    "MCPServerEntry",
                    name,
                    {"groupRef": {"name": group}, "remoteUrl": url, "transport": "streamable-http"},
                )
                for name, url in urls.items()
            ),
        ]
    )


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def up(port: int, log: Path) -> None:
    """Waits until a program listens."""
    try:
        await listening(port)
    except TimeoutError:
        raise FailedError(f"{log.stem} did not come up:\n{end_of(log)}") from None


def end_of(log: Path) -> str:
    """What a program said last."""
    return log.read_text(errors="replace")[-4000:]


@contextlib.asynccontextmanager
async def proxy(urls: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """The URL of `vmcp serve` before some backends; its log is `vmcp.log`."""
    port, log = free_port(), folder / "vmcp.log"
    (folder / "manifests.yaml").write_text(manifests(urls))
    serve = [VMCP, "serve", "-f", folder / "manifests.yaml", "--port", port, "--admin-port", free_port()]
    async with program([str(each) for each in serve], os.environ, log):
        await up(port, log)
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.asynccontextmanager
async def fixture(eras: str, folder: Path) -> AsyncIterator[str]:
    """The URL of a fixture."""
    port, log = free_port(), folder / f"fixture-{eras}.log"
    command = [sys.executable, "-W", "ignore", "-m", "tests.conformance.fixture", str(port), "--eras", eras]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    async with program(command, {**os.environ, "PYTHONPATH": paths}, log):
        await up(port, log)
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.asynccontextmanager
async def standing(setup: Setup) -> AsyncIterator[tuple[str, Path]]:
    """The URL to judge, and the folder of the logs."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmcp-conformance-")))
        urls = {
            name: f"http://127.0.0.1:{free_port()}/mcp"
            if eras is None
            else await stack.enter_async_context(fixture(eras, folder))
            for name, eras in setup.backends.items()
        }
        if setup.is_direct:
            yield urls[FIRST], folder
        else:
            yield await stack.enter_async_context(proxy(urls, folder)), folder
