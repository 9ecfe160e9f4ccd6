"""The demo: four MCP servers, one endpoint, a client that uses it. `--once` ends after the tour."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
from children import child, free_port
from tour import say, show_backends, show_snippet, tour

HERE: Final = Path(__file__).resolve().parent
MANIFESTS: Final = HERE / "manifests.yaml"
MCP_PORT: Final = 4483
ADMIN_PORT: Final = 9090
BACKENDS_PORT: Final = 4491
START_SECONDS: Final = 60.0


async def run(*, once: bool) -> int:
    """Starts everything, shows the tour, serves on; the exit code."""
    port, admin, backends = map(free_port, (MCP_PORT, ADMIN_PORT, BACKENDS_PORT))
    with tempfile.TemporaryDirectory(prefix="vmcp-demo-") as folder:
        log = Path(folder) / "demo.log"
        manifests = manifests_for(backends, Path(folder))
        serve = serve_arguments(manifests, port, admin)
        try:
            async with child(str(HERE / "backends.py"), str(backends), log=log), child(*serve, log=log) as proxy:
                await show(f"http://127.0.0.1:{port}/mcp", admin, proxy)
                if not once:
                    say_serving(manifests)
                    await proxy.wait()
        except (RuntimeError, TimeoutError, ExceptionGroup) as error:
            print(f"the demo failed: {error}\n{log.read_text(errors='replace')}", file=sys.stderr)
            return 1
    return 0


def serve_arguments(manifests: Path, port: int, admin: int) -> list[str]:
    """The command line of the proxy."""
    if port != MCP_PORT:
        say(f"(port {MCP_PORT} is in use, so this demo takes {port})")
    if admin != ADMIN_PORT:
        say(f"(port {ADMIN_PORT} is in use, so look at this one with `vmcp status http://127.0.0.1:{admin}`)")
    return ["-m", "vmcp_proxy", "serve", "-f", str(manifests), "--port", str(port), "--admin-port", str(admin)]


def say_serving(manifests: Path) -> None:
    """What can be done now."""
    say(f"\nServing until Ctrl-C. Edits of {os.path.relpath(manifests)} are taken over live.")


def manifests_for(port: int, folder: Path) -> Path:
    """The manifests; a copy with another port where the usual one is taken."""
    if port == BACKENDS_PORT:
        return MANIFESTS
    copy = folder / MANIFESTS.name
    text = MANIFESTS.read_text(encoding="utf-8").replace(f":{BACKENDS_PORT}/", f":{port}/")
    copy.write_text(text, encoding="utf-8")
    return copy


async def show(url: str, admin: int, proxy: Process) -> None:
    """Waits until all backends are up, then goes through the tour."""
    status = await wait_until_healthy(f"http://127.0.0.1:{admin}/status", proxy)
    backends = status["backends"]
    say(f"\n{len(backends)} MCP servers behind one endpoint: {url}\n")
    show_backends(backends)
    await tour(url)
    show_snippet(url)


async def wait_until_healthy(url: str, proxy: Process) -> Mapping[str, Any]:
    """The status once every backend is healthy.

    Raises:
        RuntimeError: the proxy ended.
        TimeoutError: a backend did not come up.
    """
    async with asyncio.timeout(START_SECONDS), httpx2.AsyncClient() as http:
        while proxy.returncode is None:
            with contextlib.suppress(httpx2.HTTPError):
                status: dict[str, Any] = (await http.get(url)).json()
                if status["backends"] and all(each["status"] == "healthy" for each in status["backends"]):
                    return status
            await asyncio.sleep(0.1)
    raise RuntimeError("the proxy ended")


async def main() -> int:
    """Runs the demo as a task that Ctrl-C and SIGTERM cancel, so that every child is ended."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the tour")
    task = asyncio.create_task(run(once=parser.parse_args().once))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        say("\nended")
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
