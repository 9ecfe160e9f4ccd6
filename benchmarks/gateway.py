"""The proxy itself, from a rendered config file, as `vmcp serve` runs it."""

import argparse
import asyncio
import cProfile
import time
from pathlib import Path

import uvloop

from benchmarks.child import announce_port
from vmcp_api.problems import Problems
from vmcp_proxy.app import Proxy
from vmcp_proxy.loading import Loaded, read_mounted
from vmcp_proxy.settings import Settings

_MINIMUM = {
    "contract": 1,
    "name": "bench",
    "incomingAuth": {"type": "anonymous"},
    "passthroughHeaders": [],
}


def backend_config(url: str) -> dict[str, object]:
    """One backend on a loopback port."""
    return {
        "name": "bench",
        "kind": "MCPServerEntry",
        "transport": "streamable-http",
        "url": url,
        "network": "local",
    }


def plain_config(url: str) -> dict[str, object]:
    """Anonymous, metrics on (they always are), names prefixed."""
    return {**_MINIMUM, "backends": [backend_config(url)]}


def full_config(url: str, audit_file: Path) -> dict[str, object]:
    """The same with an audit line per request, two passthrough headers and two static ones."""
    static = {"X-Source": "vmcp", "X-Environment": "bench"}
    backend = {**backend_config(url), "headerForward": {"addPlaintextHeaders": static}}
    return {
        **_MINIMUM,
        "passthroughHeaders": ["X-Tenant", "X-Api-Key"],
        "config": {"audit": {"enabled": True, "sink": "file", "path": str(audit_file)}},
        "backends": [backend],
    }


async def serve(config_file: Path) -> None:
    loaded = read_mounted(config_file, config_file.parent / "secrets")
    if isinstance(loaded, Problems):
        raise SystemExit(str(loaded))
    await _run(loaded)


async def _run(loaded: Loaded) -> None:
    proxy = Proxy(Settings(port=0, admin_port=0), loaded)

    async def announce(started: Proxy) -> None:
        await started.started.wait()
        announce_port(started.mcp_port)
        await asyncio.Event().wait()

    await proxy.run(announce)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--profile", type=Path, help="write what cProfile sees to this file at the end")
    options = parser.parse_args()
    if options.profile is None:
        uvloop.run(serve(options.config))
        return
    profile = cProfile.Profile(time.thread_time)
    profile.runcall(uvloop.run, serve(options.config))
    profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
