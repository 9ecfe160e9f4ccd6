"""The `vmcp` command."""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Final, NoReturn

import click

from vmcp_api.distribution import DISTRIBUTION
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.lazy import LazyGroup, Subcommand
from vmcp_proxy.observability.logs import describe_exception

SUBCOMMANDS: Final[Mapping[str, Subcommand]] = MappingProxyType(
    {
        "serve": Subcommand("vmcp_proxy.cli.serve.command", "Serve MCP servers as one endpoint."),
        "bridge": Subcommand("vmcp_proxy.cli.bridge.command", "Serve the stdio server in a pod.", extra="bridge"),
        "validate": Subcommand("vmcp_proxy.cli.validate", "Check manifests or an mcpServers file."),
        "convert": Subcommand("vmcp_proxy.cli.convert.command", "Turn manifests for ToolHive into ours."),
        "init": Subcommand("vmcp_proxy.cli.scaffold", "Write a manifest to start from."),
        "tools": Subcommand("vmcp_proxy.cli.endpoint.tools", "List the tools of an endpoint."),
        "call": Subcommand("vmcp_proxy.cli.endpoint.call", "Call a tool of an endpoint."),
        "resources": Subcommand("vmcp_proxy.cli.endpoint.lists", "List its resources and templates.", "resources"),
        "read": Subcommand("vmcp_proxy.cli.endpoint.read", "Read a resource.", "read"),
        "prompts": Subcommand("vmcp_proxy.cli.endpoint.lists", "List its prompts.", "prompts"),
        "get": Subcommand("vmcp_proxy.cli.endpoint.read", "Get a prompt, filled in.", "get"),
        "status": Subcommand("vmcp_proxy.cli.endpoint.status", "Show its backends and what is wrong with them."),
        "explain": Subcommand("vmcp_proxy.cli.explain.command", "Say why a caller may or may not use a name."),
        "policy": Subcommand("vmcp_proxy.cli.policy.command", "Try policies on what was audited."),
        "doctor": Subcommand("vmcp_proxy.cli.kube.doctor", "Say why an endpoint in a cluster does not serve."),
        "clients": Subcommand("vmcp_proxy.cli.clients.command", "Print or write the entry of an MCP client."),
    }
)


@click.group(cls=LazyGroup, table=SUBCOMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(DISTRIBUTION), message="%(prog)s %(version)s")
def vmcp() -> None:
    """One MCP endpoint for many MCP servers."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits; an unexpected exception is told by type and place, never by its text."""
    run(vmcp, "vmcp", arguments)


def run(group: click.Group, name: str, arguments: Sequence[str] | None = None) -> NoReturn:
    """The same for a group of commands."""
    try:
        group.main(arguments, prog_name=name)
    except Exception as error:  # noqa: BLE001 - the outermost frame of the process
        sys.stderr.write(f"{name}: internal error, please report it:\n{describe_exception(error)}\n")
    sys.exit(Exit.INTERNAL)
