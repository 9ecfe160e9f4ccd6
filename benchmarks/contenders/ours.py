"""This proxy, started as a pod starts it: `vmcp serve` with a rendered config and mounted session keys."""

import secrets
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.contenders.site import Contender, Launch, Site, answers
from vmcp_api.config import CONTRACT
from vmcp_proxy.run.settings import SOFTWARE_VERSION

PASSTHROUGH = ("X-Tenant", "X-Api-Key")
STATIC = {"X-Source": "vmcp", "X-Environment": "bench"}
_KEY_BYTES = 32


def plain_config(site: Site) -> dict[str, object]:
    """Anonymous, metrics on (they always are), names prefixed."""
    return {
        "contract": CONTRACT,
        "name": "bench",
        "incomingAuth": {"type": "anonymous"},
        "backends": [backend_config(f"b{number:03}", url) for number, url in enumerate(site.backends)],
    }


def full_config(site: Site) -> dict[str, object]:
    """Everything that exists and costs: an audit line per request, two passthrough headers and two static ones."""
    static = {"headerForward": {"addPlaintextHeaders": STATIC}}
    backends = [{**backend_config(f"b{number:03}", url), **static} for number, url in enumerate(site.backends)]
    audit = {"enabled": True, "sink": "file", "path": str(site.folder / "audit.log")}
    return {
        **plain_config(site),
        "passthroughHeaders": list(PASSTHROUGH),
        "config": {"audit": audit},
        "backends": backends,
    }


def backend_config(name: str, url: str) -> dict[str, object]:
    """One backend on a loopback port."""
    return {
        "name": name,
        "kind": "MCPServerEntry",
        "transport": "streamable-http",
        "url": url,
        "network": "local",
    }


def with_redis(config: Callable[[Site], dict[str, object]], address: str) -> Callable[[Site], dict[str, object]]:
    """The same with sessions in Redis."""
    return lambda site: {**config(site), "sessionStorage": {"provider": "redis", "address": address}}


def command_for(config: Path, keys: Path, port: int, admin_port: int) -> tuple[str, ...]:
    """The command of a pod, on loopback ports."""
    ports = ("--port", str(port), "--admin-port", str(admin_port))
    files = ("--config", str(config), "--keys", str(keys), "--log-level", "warning")
    return (sys.executable, "-m", "vmcp_proxy", "serve", *files, "--host", "127.0.0.1", *ports)


def write_keys(folder: Path) -> Path:
    """A folder with one fresh session key."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    (keys / "1").write_bytes(secrets.token_bytes(_KEY_BYTES))
    return keys


def launch(config: Callable[[Site], Mapping[str, object]], site: Site) -> Launch:
    """Ready is what the kubelet asks: `/readyz` on the admin port."""
    file = site.write("config.yaml", config(site))
    command = command_for(file, write_keys(site.folder), site.port, site.admin_port)
    return Launch(command, partial(answers, site.admin_port, "/readyz"))


def contender(name: str, title: str, config: Callable[[Site], Mapping[str, object]]) -> Contender:
    """This proxy under a config."""
    return Contender(name, title, partial(launch, config), SOFTWARE_VERSION, is_ours=True)


PLAIN = contender("vmcp", "vmcp, anonymous, metrics", plain_config)
FULL = contender("vmcp-full", "vmcp, audit and headers too", full_config)
