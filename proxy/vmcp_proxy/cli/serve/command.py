"""`vmcp serve`: what the command line says becomes a plan."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vmcp_api.naming import ADMIN_PORT, MCP_PORT
from vmcp_proxy.cli.checks.served import enter
from vmcp_proxy.cli.durations import parse_bound
from vmcp_proxy.cli.serve.addresses import LOOPBACK, check_host, is_loopback
from vmcp_proxy.cli.serve.keys import KeyedSource
from vmcp_proxy.cli.serve.mounted import MountedSource
from vmcp_proxy.cli.serve.process import Plan, serve
from vmcp_proxy.cli.stdio.command import refuse_others, take_streams
from vmcp_proxy.cli.stdio.source import OneClientSource
from vmcp_proxy.run.reload import ConfigSource
from vmcp_proxy.run.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_PORT = click.IntRange(0, 65535)
_DELAY = click.IntRange(0, 60)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `vmcp serve`."""

    files: tuple[Path, ...]
    mcp_config: Path | None
    config: Path | None
    secrets: Path | None
    keys: Path | None
    name: str | None
    host: str | None
    port: int | None
    admin_port: int | None
    stdio: bool
    allow_remote: bool
    call_timeout: float | None
    shutdown_delay: int
    log_format: str | None
    log_level: str
    audit: bool
    optimizer: bool


@click.command("serve")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE_OR_DIR",
    type=click.Path(exists=True, path_type=Path),
    help="Manifests, as kubectl takes them. Edits are taken over live.",
)
@click.option("--mcp-config", type=_FILE, help="The server file of Claude, Cursor, VS Code or another editor.")
@click.option("--config", type=_FILE, help="A config that the operator wrote (in the cluster).")
@click.option("--secrets", type=_FOLDER, help="Secrets of --config, as DIR/<name>/<key>.")
@click.option("--keys", type=_FOLDER, help="Session keys of 32 bytes, as DIR/<key id>; by default a new one.")
@click.option("--name", metavar="[NS/]NAME", help="The VirtualMCPServer to serve, where there are several.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1; with --config 0.0.0.0]")
@click.option("--port", type=_PORT, help=f"Port of the endpoint; 0 takes any.  [default: {MCP_PORT}]")
@click.option(
    "--admin-port", type=_PORT, help=f"Port of /status and /metrics.  [default: {ADMIN_PORT}; with --stdio none]"
)
@click.option("--stdio", is_flag=True, help="Serve the one client that started this command, on stdin and stdout.")
@click.option("--allow-remote", is_flag=True, help="Let other machines in; --host alone does not.")
@click.option(
    "--call-timeout",
    metavar="DURATION",
    callback=parse_bound,
    help="Bound of one call, such as 90s or 10m, of servers for which --mcp-config says no timeout.  [default: 60s]",
)
@click.option(
    "--shutdown-delay",
    type=_DELAY,
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Serve on for so long after SIGTERM or Ctrl-C, not ready any more; a second one ends at once.",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), help="[default: console; with --config json]")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What to log to stderr.",
)
@click.option("--audit", is_flag=True, help="Write an audit event for each request, to stdout unless the file says.")
@click.option(
    "--optimizer",
    is_flag=True,
    help="Let clients search for tools: they list find_tool and call_tool, where there are many.",
)
def command(**options: Any) -> None:
    """Serve MCP servers as one endpoint until Ctrl-C.

    The servers come from manifests (-f), from an editor's file (--mcp-config), or from what the operator
    mounts (--config). Only this machine is let in unless --allow-remote says otherwise.

    A client that starts its servers itself, such as Claude Desktop, runs it with --stdio:

        vmcp serve --stdio --mcp-config ~/.cursor/mcp.json
    """
    chosen = Options(**options)
    plan = build_plan(chosen, os.environ)
    enter(chosen.files if chosen.mcp_config is None else (chosen.mcp_config,), os.environ)
    serve(plan)


def build_plan(options: Options, environ: Mapping[str, str]) -> Plan:
    """The plan of a command line.

    Raises:
        click.UsageError: options are missing or exclude each other.
        CommandError: the address is not allowed, or the keys cannot be used.
    """
    if options.stdio:
        return _build_stdio_plan(options, environ)
    port = _choose_port(options)
    admin_port = ADMIN_PORT if options.admin_port is None else options.admin_port
    if port == admin_port != 0:
        raise click.UsageError("--port and --admin-port are the same; the endpoint and /status need a port each.")
    source = build_source(options, environ)
    mounted = options.config is not None
    if options.keys is not None:
        source = KeyedSource(source, options.keys, may_be_empty=mounted)
    host = options.host or ("0.0.0.0" if mounted else LOOPBACK)
    if not mounted:
        check_host(host, allow_remote=options.allow_remote)
    api_server = environ.get("KUBERNETES_SERVICE_HOST", "") if mounted else ""
    settings = Settings(
        host=host,
        port=port,
        # Kubelet and operator ask the pod from outside; on a person's machine nobody does.
        admin_host=host if mounted else LOOPBACK,
        admin_port=admin_port,
        is_local=not mounted and is_loopback(host),
        needs_keys=options.keys is not None,
        api_server=(api_server,) if _is_address(api_server) else (),
        shutdown_delay=options.shutdown_delay,
    )
    json = options.log_format == "json" or (options.log_format is None and mounted)
    return Plan(source, settings, options.log_level, json)


def _build_stdio_plan(options: Options, environ: Mapping[str, str]) -> Plan:
    refuse_others(
        {
            "--config": options.config,
            "--keys": options.keys,
            "--host": options.host,
            "--port": options.port,
            "--allow-remote": options.allow_remote,
            "--shutdown-delay": options.shutdown_delay,
        }
    )
    source = OneClientSource(build_source(options, environ))
    settings = Settings(admin_port=options.admin_port, pipes=take_streams())
    return Plan(source, settings, options.log_level, options.log_format == "json")


def build_source(options: Options, environ: Mapping[str, str]) -> ConfigSource:
    """Where the config comes from.

    Raises:
        click.UsageError: options are missing or exclude each other.
    """
    given = [bool(options.files), options.mcp_config is not None, options.config is not None]
    if sum(given) != 1:
        raise click.UsageError("Give one of -f FILE_OR_DIR, --mcp-config FILE and --config FILE.")
    if options.name is not None and not options.files:
        raise click.UsageError("--name picks a VirtualMCPServer of manifests; give it with -f.")
    if options.call_timeout is not None and options.mcp_config is None:
        message = "--call-timeout goes with --mcp-config; manifests say it in spec.config.operational.timeouts."
        raise click.UsageError(message)
    if options.config is not None:
        return _mounted(options, options.config)
    if options.secrets is not None:
        raise click.UsageError("--secrets belongs to --config; with -f, Secrets are manifests.")
    # Imported where manifests are read and rendered, which no pod does.
    from vmcp_proxy.cli.serve.sources import AdjustedSource, ManifestSource, McpConfigSource  # noqa: PLC0415

    source: ConfigSource = (
        ManifestSource(options.files, options.name)
        if options.mcp_config is None
        else McpConfigSource(
            options.mcp_config, environ, options.call_timeout, None if options.stdio else _choose_port(options)
        )
    )
    remote = not is_loopback(options.host or LOOPBACK)
    return AdjustedSource(source, environ, audit=options.audit, optimizer=options.optimizer, remote=remote)


def _choose_port(options: Options) -> int:
    return MCP_PORT if options.port is None else options.port


def _mounted(options: Options, config: Path) -> ConfigSource:
    if options.keys is None:
        raise click.UsageError("--config needs --keys: replicas must share their session keys.")
    for name, is_given in (("audit", options.audit), ("optimizer", options.optimizer)):
        if is_given:
            message = f"--{name} does not go with --config; set spec.config.{name} of the VirtualMCPServer."
            raise click.UsageError(message)
    return MountedSource(config, options.secrets)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
