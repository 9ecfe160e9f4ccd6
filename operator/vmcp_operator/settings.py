"""How the operator's process is set up: flags, each with an environment variable."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from vmcp_api.kinds.pods import NetworkPeer
from vmcp_operator.errors import SettingsError
from vmcp_operator.leader.candidate import Timing
from vmcp_operator.logs import FORMATS
from vmcp_operator.plan.kinds import LEASE, Manifest, Ref
from vmcp_operator.plan.objects.template import check_partial
from vmcp_operator.plan.world import PodSettings
from vmcp_operator.watch import Scope

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVICE_ACCOUNT_TOKEN: Final = _SERVICE_ACCOUNT / "token"
SERVICE_ACCOUNT_NAMESPACE: Final = _SERVICE_ACCOUNT / "namespace"
HEALTH_PORT: Final = 8080
_PEERS: Final = TypeAdapter(tuple[NetworkPeer, ...])
LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Election:
    """Which Lease decides whether this process works, and who it is there."""

    place: Ref
    identity: str
    timing: Timing


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; times are in seconds.

    `kubeconfig` None means the pod's own service account, `election` None that this process always works.
    """

    pods: PodSettings
    scope: Scope
    kubeconfig: str | None
    instance: str
    election: Election | None = None
    resync: float = 600.0
    poll: float = 5.0
    workers: int = 8
    host: str = "0.0.0.0"
    port: int = HEALTH_PORT
    log_level: str = "info"
    log_format: str = "json"


def read_namespace() -> str:
    """The namespace of the operator's own pod, as its service account's files say it; empty where it runs in none."""
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def parse_settings(
    arguments: Sequence[str], environ: Mapping[str, str], *, in_cluster: bool, namespace: str = ""
) -> Settings:
    """The settings of a command line over an environment; `namespace` is that of the operator's own pod.

    Raises:
        SettingsError: one is missing or cannot be used.
    """
    options = _parser(environ).parse_args(arguments)
    if not options.proxy_image:
        raise SettingsError("set --proxy-image or VMCP_PROXY_IMAGE to the image of the proxy pods")
    for name in ("resync", "poll", "workers"):
        if getattr(options, name) <= 0:
            raise SettingsError(f"--{name} must be more than 0")
    kubeconfig = environ.get("KUBECONFIG") or None
    if not in_cluster and kubeconfig is None:
        raise SettingsError("set KUBECONFIG, or run in a pod with a service account")
    instance = environ.get("POD_NAME") or environ.get("HOSTNAME") or "vmcp-operator"
    return Settings(
        pods=PodSettings(
            options.proxy_image,
            options.proxy_pull_policy,
            _peers(options.metrics_from),
            namespace,
            _template(options.proxy_template),
            stdio=options.stdio == "true",
            lifecycle=options.mcp_lifecycle == "true",
        ),
        scope=_scope(options),
        kubeconfig=None if in_cluster else kubeconfig,
        instance=instance,
        election=_election(options, namespace, f"{instance}_{environ.get('POD_UID') or uuid4()}"),
        resync=options.resync,
        poll=options.poll,
        workers=options.workers,
        host=options.host,
        port=options.port,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def _scope(options: argparse.Namespace) -> Scope:
    names = {name.strip() for name in options.namespaces.split(",") if name.strip()}
    return Scope(tuple(sorted(names)), stdio=options.stdio == "true", lifecycle=options.mcp_lifecycle == "true")


def _election(options: argparse.Namespace, namespace: str, identity: str) -> Election | None:
    """The election that the flags ask for.

    A container that starts again in its pod is the same candidate: the one before it has ended.
    """
    if options.leader_elect == "false":
        return None
    where = options.leader_elect_resource_namespace or namespace
    if not where:
        raise SettingsError(
            "set --leader-elect-resource-namespace to where the Lease is kept, or --leader-elect=false if no other"
            " operator works on this cluster"
        )
    timing = Timing(
        options.leader_elect_lease_duration,
        options.leader_elect_renew_deadline,
        options.leader_elect_retry_period,
    )
    if problem := timing.problem():
        raise SettingsError(f"--leader-elect-*: {problem}")
    return Election(Ref(LEASE, where, options.leader_elect_resource_name), identity, timing)


def _template(text: str) -> Manifest:
    """The partial pod template of a flag, which has to fit over the operator's own."""
    try:
        template = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--proxy-template is no JSON: {error}") from None
    problem = check_partial(template)
    if problem:
        raise SettingsError(f"--proxy-template {problem}")
    return dict(template)


def _peers(text: str) -> tuple[NetworkPeer, ...]:
    """The peers of a JSON list, as a NetworkPolicy has them."""
    try:
        return _PEERS.validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"{place}: {first['msg']}" if place else first["msg"]
        raise SettingsError(f"--metrics-from is no list of NetworkPolicyPeers: {problem}") from None


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vmcp-operator", description="Runs VirtualMCPServers in this cluster.")

    def flag(name: str, default: str, text: str, **options: object) -> None:
        variable = f"VMCP_{name.upper().replace('-', '_')}"
        parser.add_argument(
            f"--{name}",
            default=environ.get(variable, default),
            help=f"{text} [{variable}]",
            **options,  # type: ignore[arg-type]
        )

    flag("proxy-image", "", "image of the proxy pods")
    flag("proxy-pull-policy", "IfNotPresent", "pull policy of that image", choices=("Always", "IfNotPresent", "Never"))
    flag("proxy-template", "{}", "partial pod template of all proxies, as JSON; a resource's own goes over it")
    flag("metrics-from", "[]", "who may scrape endpoints that have a NetworkPolicy: NetworkPolicyPeers, as JSON")
    flag("namespaces", "", "namespaces to watch, separated by commas; empty watches the cluster")
    flag(
        "stdio",
        "false",
        "run MCPServers of transport stdio, for which more rights are needed",
        choices=("true", "false"),
    )
    flag(
        "mcp-lifecycle",
        "true",
        "take servers of the MCP Lifecycle Operator (mcp.x-k8s.io) into groups, where the cluster has its kinds",
        choices=("true", "false"),
    )
    flag("resync", "600", "seconds between two listings of everything", type=float)
    flag("poll", "5", "seconds between two questions to a pod", type=float)
    flag("workers", "8", "resources that are reconciled at a time", type=int)
    flag("leader-elect", "true", "work only while this process holds the Lease", choices=("true", "false"))
    flag("leader-elect-resource-name", "vmcp-operator", "name of the Lease")
    flag("leader-elect-resource-namespace", "", "its namespace; empty is the operator's own")
    flag("leader-elect-lease-duration", "15", "seconds for which others leave it alone after a renewal", type=int)
    flag("leader-elect-renew-deadline", "10", "seconds for which its holder works without a renewal", type=float)
    flag("leader-elect-retry-period", "2", "seconds between two renewals", type=float)
    flag("host", "0.0.0.0", "address of the health and metrics port")
    flag("port", str(HEALTH_PORT), "health and metrics port", type=int)
    flag("log-level", "info", "least severe level that is logged", choices=LEVELS)
    flag("log-format", "json", "a JSON object a line, or lines for people", choices=FORMATS)
    return parser
