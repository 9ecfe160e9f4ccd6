"""Peers that are one binary with one config file: agentgateway and ToolHive's vMCP."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks.contenders.site import Absent, Contender, Launch, Site, answers
from benchmarks.ports import free_port

_ASK_SECONDS = 20
_LONGEST_VERSION = 60
_MOST_BYTES = 16 << 20
_PATIENCE = "2s"
"""For one request to a backend: as long as this proxy waits for a list."""

GatewayConfig: TypeAlias = Callable[[Site, int, tuple[int, int]], dict[str, object]]
"""What agentgateway reads, by its site, its port, and those of its metrics and its readiness."""


def agentgateway(path: Path | None, config: GatewayConfig | None = None) -> Contender | Absent:
    """The Rust gateway, log off, anonymous unless another `config` is given."""
    launch = partial(_launch_agentgateway, config or agentgateway_config)
    return _contender("agentgateway", "agentgateway (Rust)", path, ("-V",), launch)


def toolhive(path: Path | None) -> Contender | Absent:
    """ToolHive's `vmcp`, backends named in the file, no Kubernetes."""
    return _contender("toolhive-vmcp", "ToolHive vMCP (Go)", path, ("version",), _launch_toolhive)


def agentgateway_config(
    site: Site, port: int, others: tuple[int, int], route: Mapping[str, object] | None = None
) -> dict[str, object]:
    """One listener whose only route leads to all backends; admin, metrics and readiness on ports of their own.

    `route` are the policies of the route, where there are any.

    By default it reads 2 MiB of a JSON answer, which the large results exceed, waits for a backend that hangs for as
    long as the client does, and refuses a session that one backend refuses.
    """
    policies = {"http": {"requestTimeout": _PATIENCE}}
    way = {"policies": route} if route else {}
    targets = [
        {"name": f"b{number:03}", "mcp": {"host": url}, "policies": policies}
        for number, url in enumerate(site.backends)
    ]
    backend = {"mcp": {"targets": targets, "failureMode": "failOpen"}}
    stats, readiness = others
    return {
        "config": {
            "adminAddr": f"127.0.0.1:{site.admin_port}",
            "statsAddr": f"127.0.0.1:{stats}",
            "readinessAddr": f"127.0.0.1:{readiness}",
        },
        "frontendPolicies": {"http": {"maxBufferSize": _MOST_BYTES}},
        "binds": [{"port": port, "listeners": [{"routes": [{"backends": [backend], **way}]}]}],
    }


def toolhive_config(site: Site) -> dict[str, object]:
    """Static mode: every backend with its URL, anonymous both ways, names prefixed.

    How long it waits for a backend cannot be set, and its log is at level INFO at least.
    """
    return {
        "name": "bench",
        "groupRef": "bench",
        "incomingAuth": {"type": "anonymous"},
        "outgoingAuth": {"source": "inline", "default": {"type": "unauthenticated"}},
        "aggregation": {
            "conflictResolution": "prefix",
            "conflictResolutionConfig": {"prefixFormat": "{workload}_"},
        },
        "backends": [
            {"name": f"b{number:03}", "url": url, "transport": "streamable-http"}
            for number, url in enumerate(site.backends)
        ],
    }


def _launch_agentgateway(config: GatewayConfig, binary: str, site: Site) -> Launch:
    stats, readiness = free_port(), free_port()
    file = site.write("config.yaml", config(site, site.port, (stats, readiness)))
    ready = partial(answers, readiness, "/healthz/ready")
    return Launch((binary, "-f", str(file)), ready, env={"RUST_LOG": "off"})


def _launch_toolhive(binary: str, site: Site) -> Launch:
    file = site.write("config.yaml", toolhive_config(site))
    command = (binary, "serve", "--config", str(file), "--host", "127.0.0.1", "--port", str(site.port))
    return Launch(command, partial(answers, site.port, "/readyz"))


def _contender(
    name: str, title: str, path: Path | None, asks: tuple[str, ...], launch: Callable[[str, Site], Launch]
) -> Contender | Absent:
    if path is None:
        return Absent(title, f"not installed: name the binary with --{name}")
    # It is started in another folder.
    binary = shutil.which(str(path.absolute()))
    if binary is None:
        return Absent(title, f"not installed: {path} is not a program")
    return Contender(name, title, partial(launch, binary), _version_of(binary, asks))


def _version_of(binary: str, asks: tuple[str, ...]) -> str:
    """What the program says of itself, on one short line: its last word, be it in a line of a JSON log."""
    try:
        asked = subprocess.run((binary, *asks), capture_output=True, timeout=_ASK_SECONDS, check=False, text=True)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    said = re.findall(r"[^\s\"{}]+", asked.stdout or asked.stderr)
    return said[-1][:_LONGEST_VERSION] if said else "unknown"
