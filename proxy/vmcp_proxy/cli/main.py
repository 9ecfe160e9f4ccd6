"""The `vmcp` command: finds the subcommand and loads no other."""

import gc
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType, ModuleType
from typing import Final, NoReturn

import click

from vmcp_api.distribution import DISTRIBUTION, explain_missing
from vmcp_api.text.suggest import suggest
from vmcp_proxy.cli.exits import MEANINGS, CommandError, Exit
from vmcp_proxy.observability.logs import describe_exception


@dataclass(frozen=True, slots=True)
class Subcommand:
    """Where a subcommand lies (`name` in `module`) and its line in the help."""

    module: str
    help: str
    name: str = "command"


SUBCOMMANDS: Final[Mapping[str, Subcommand]] = MappingProxyType(
    {
        "serve": Subcommand("vmcp_proxy.cli.serve.command", "Serve MCP servers as one endpoint."),
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
        "clients": Subcommand("vmcp_proxy.cli.clients.command", "Print or write the entry of an MCP client."),
    }
)


class LazyGroup(click.Group):
    """Imports a subcommand's module when it is asked for, so that the help is immediate."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As `click.Group`, with what was meant by a name that is no command.

        Raises:
            click.UsageError: there is no such command.
        """
        name = args[0]
        if name not in SUBCOMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}; {suggest(name, SUBCOMMANDS, noun='commands')}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table."""
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand.

        Raises:
            CommandError: a package that it needs is not installed.
        """
        del ctx
        entry = SUBCOMMANDS.get(cmd_name)
        if entry is None:
            return None
        try:
            command = getattr(_import(entry.module), entry.name)
        except ModuleNotFoundError as error:
            raise CommandError(Exit.USAGE, explain_missing(error, "cli")) from None
        assert isinstance(command, click.Command)  # noqa: S101 - what every module of the table holds
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands by their lines in the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in SUBCOMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])


def _import(name: str) -> ModuleType:
    """A module; all that it imports stays, so that looking for garbage among it only delays the start."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.enable()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(DISTRIBUTION), message="%(prog)s %(version)s")
def vmcp() -> None:
    """One MCP endpoint for many MCP servers."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits; an unexpected exception is told by type and place, never by its text."""
    try:
        vmcp.main(arguments, prog_name="vmcp")
    except Exception as error:  # noqa: BLE001 - the outermost frame of the process
        sys.stderr.write(f"vmcp: internal error, please report it:\n{describe_exception(error)}\n")
    sys.exit(Exit.INTERNAL)
