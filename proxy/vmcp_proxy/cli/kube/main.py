"""The `kubectl vmcp` plugin."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Final, NoReturn

import click

from vmcp_api.distribution import DISTRIBUTION
from vmcp_proxy.cli.lazy import LazyGroup, Subcommand
from vmcp_proxy.cli.main import run

SUBCOMMANDS: Final[Mapping[str, Subcommand]] = MappingProxyType(
    {
        "status": Subcommand("vmcp_proxy.cli.kube.status", "Show endpoints, or one with its backends."),
        "doctor": Subcommand(
            "vmcp_proxy.cli.kube.doctor", "Say why an endpoint does not serve, and what to mend first."
        ),
        "tools": Subcommand("vmcp_proxy.cli.kube.ask", "List the tools that an endpoint serves.", "tools"),
        "explain": Subcommand("vmcp_proxy.cli.kube.ask", "Say why a caller may or may not use a name.", "explain"),
        "top": Subcommand("vmcp_proxy.cli.kube.top", "Show requests, errors and latency of each backend."),
        "logs": Subcommand("vmcp_proxy.cli.kube.logs", "Show the log of an endpoint's pods, or of the operator."),
    }
)


@click.group(cls=LazyGroup, table=SUBCOMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(DISTRIBUTION), message="%(prog)s %(version)s")
def plugin() -> None:
    """VirtualMCPServers in a cluster, through kubectl."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits."""
    run(plugin, "kubectl vmcp", arguments)
