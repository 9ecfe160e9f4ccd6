"""This proxy, started as a pod starts it: `vmcp serve` with a rendered config and mounted session keys."""

import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.collector import Collector
from benchmarks.contenders.site import Contender, Launch, Site, answers
from benchmarks.issuer import AUDIENCE, Issuer
from vmcp_api.config import CONTRACT
from vmcp_proxy.run.settings import SOFTWARE_VERSION

PASSTHROUGH = ("X-Tenant", "X-Api-Key")
STATIC = {"X-Source": "vmcp", "X-Environment": "bench"}
_KEY_BYTES = 32

_HOUSE_POLICIES = """
@id("engineers-use-tools")
permit(principal in Group::"engineering", action == Action::"call_tool", resource);
@id("readers-read")
permit(principal in Group::"readers", action == Action::"read_resource", resource);
@id("nothing-destructive")
forbid(principal, action == Action::"call_tool", resource)
when { resource has destructiveHint && resource.destructiveHint };
@id("nobody-deletes")
forbid(principal, action == Action::"call_tool", resource) when { resource.name like "*_delete" };
"""
_TEAM_POLICY = """
@id("team-{number}")
permit(principal in Group::"team-{number}", action == Action::"call_tool", resource in Backend::"b{number:03}")
when {{ resource.name like "b{number:03}_*" }};
"""
_TEAMS = 16
TRACED = "0.05"
"""Share of requests that are traced."""

METRICS_INTERVAL = "5s"
"""Between two exports of metrics: twelve times as often as by default, so that each turn has one."""

PLENTY = {"maxTokens": 1_000_000, "refillPeriod": "1s"}
"""A bucket that is never empty: what counts is that it is asked."""

POLICIES = (_HOUSE_POLICIES, *(_TEAM_POLICY.format(number=number) for number in range(_TEAMS)))
"""Twenty, as a house with teams has them."""


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


def limited_config(site: Site) -> dict[str, object]:
    """The plain one with two buckets for each call, of which no load empties one."""
    limits = {"shared": PLENTY, "tools": [{"name": "b000_echo", "shared": PLENTY}]}
    return {**plain_config(site), "config": {"rateLimiting": limits}}


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
    return Launch(command, partial(answers, site.admin_port, "/readyz"), ask=partial(_ask, site.admin_port))


def _ask(port: int) -> None:
    """What the operator and Prometheus ask of a pod every few seconds."""
    for path in ("/status", "/metrics"):
        if not answers(port, path):
            raise OSError(f"{path} is not answered")


def contender(name: str, title: str, config: Callable[[Site], Mapping[str, object]]) -> Contender:
    """This proxy under a config."""
    return Contender(name, title, partial(launch, config), SOFTWARE_VERSION, is_ours=True)


def token_config(issuer: Issuer) -> dict[str, object]:
    """Callers show a token."""
    oidc = {
        "issuer": issuer.name,
        "jwksUrl": issuer.jwks_url,
        "audience": AUDIENCE,
        "network": "local",
        "insecureAllowHttp": True,
    }
    return {"incomingAuth": {"type": "oidc", "oidc": oidc}}


def oidc_config(issuer: Issuer) -> dict[str, object]:
    """Callers show a token that twenty policies judge: by group, by annotation, by backend, by name."""
    return {**token_config(issuer), "authorization": {"policies": list(POLICIES)}}


def telemetry_config(collector: Collector, *, traces: bool, metrics: bool, share: str = TRACED) -> dict[str, object]:
    """What is sent to a collector."""
    return {
        "telemetry": {
            "otlp": {"endpoint": collector.url, "insecure": True},
            "tracing": {"enabled": traces, "samplingRate": share},
            "metrics": {"enabled": metrics, "interval": METRICS_INTERVAL},
        }
    }


def secured_config(issuer: Issuer, collector: Collector, site: Site) -> dict[str, object]:
    """Everything that there is: tokens, policies, limits, audit, traces of one request in twenty, metrics by OTLP."""
    full = full_config(site)
    settings = full["config"]
    limits = {"rateLimiting": {"shared": PLENTY, "perUser": PLENTY}}
    return {
        **full,
        **oidc_config(issuer),
        **telemetry_config(collector, traces=True, metrics=True),
        "config": {**settings, **limits} if isinstance(settings, dict) else limits,
    }


def secured(issuer: Issuer, collector: Collector) -> Contender:
    """This proxy with everything on."""
    made = contender("vmcp-secured", "vmcp, everything on", partial(secured_config, issuer, collector))
    return _shown(made, issuer)


def alone(issuer: Issuer, collector: Collector) -> tuple[Contender, ...]:
    """This proxy with one thing on that costs, each."""

    def plus(**more: object) -> Callable[[Site], Mapping[str, object]]:
        return lambda site: {**plain_config(site), **more}

    def audited(site: Site) -> Mapping[str, object]:
        return {**plain_config(site), "config": full_config(site)["config"]}

    def traced(share: str) -> Callable[[Site], Mapping[str, object]]:
        return plus(**telemetry_config(collector, traces=True, metrics=False, share=share))

    def guarded(site: Site) -> Mapping[str, object]:
        return {**audited(site), **oidc_config(issuer)}

    metrics = telemetry_config(collector, traces=False, metrics=True)
    return (
        _shown(contender("vmcp-token", "vmcp, OIDC token", plus(**token_config(issuer))), issuer),
        _shown(contender("vmcp-oidc", "vmcp, OIDC token and 20 policies", plus(**oidc_config(issuer))), issuer),
        _shown(contender("vmcp-guarded", "vmcp, OIDC token, 20 policies, audit", guarded), issuer),
        contender("vmcp-audit", "vmcp, audit", audited),
        contender("vmcp-traces-0", "vmcp, 0 % traces", traced("0")),
        contender("vmcp-traces", "vmcp, 5 % traces", traced(TRACED)),
        contender("vmcp-traces-100", "vmcp, 100 % traces", traced("1")),
        contender("vmcp-otlp-metrics", "vmcp, metrics by OTLP", plus(**metrics)),
    )


def limited_by_redis(address: str) -> Contender:
    """This proxy with its buckets, and its sessions, in Redis."""
    return contender("vmcp-limited-redis", "vmcp, rate limits in Redis", with_redis(limited_config, address))


def in_redis(address: str) -> Contender:
    """This proxy with its sessions in Redis."""
    return contender("vmcp-redis", "vmcp, sessions in Redis", with_redis(plain_config, address))


def _shown(made: Contender, issuer: Issuer) -> Contender:
    """The same for a load that shows its token."""
    start = made.launch
    return replace(made, launch=lambda site: replace(start(site), authorization=f"Bearer {issuer.token}"))


def searched_config(site: Site) -> dict[str, object]:
    """The plain one with tool search, beside which the tool that is called stays listed."""
    optimizer = {"threshold": 0, "alwaysVisible": ["b000_echo"]}
    return {**plain_config(site), "config": {"optimizer": optimizer}}


LIMITED = contender("vmcp-limited", "vmcp, rate limits in memory", limited_config)
SEARCHED = contender("vmcp-search", "vmcp, tool search", searched_config)
PLAIN = contender("vmcp", "vmcp, anonymous, metrics", plain_config)
FULL = contender("vmcp-full", "vmcp, audit and headers too", full_config)
