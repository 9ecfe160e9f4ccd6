"""A group of commands that loads the one that is asked for, and no other."""

import gc
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import click
from click.shell_completion import CompletionItem

from vmcp_api.distribution import explain_missing
from vmcp_api.text.suggest import closest
from vmcp_proxy.cli.exits import MEANINGS, CommandError, Exit


@dataclass(frozen=True, slots=True)
class Subcommand:
    """Where a subcommand lies (`name` in `module`), its line in the help, and what to install for it."""

    module: str
    help: str
    name: str = "command"
    extra: str = "cli"


class LazyGroup(click.Group):
    """Imports a subcommand's module when it is asked for, so that the help is immediate."""

    def __init__(self, *args: Any, table: Mapping[str, Subcommand], **options: Any) -> None:
        super().__init__(*args, **options)
        self._table = table

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As `click.Group`, with what was meant by a name that is no command.

        Raises:
            click.UsageError: there is no such command.
        """
        name = args[0]
        if name not in self._table and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}; {self._suggest(name)}")
        return super().resolve_command(ctx, args)

    def _suggest(self, name: str) -> str:
        """What was meant, else all that there is, in the order of the help."""
        close = closest(name, self._table)
        return f"did you mean {close!r}?" if close else f"known commands: {', '.join(self._table)}"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand.

        Raises:
            CommandError: a package that it needs is not installed.
        """
        del ctx
        entry = self._table.get(cmd_name)
        if entry is None:
            return None
        try:
            command = getattr(_import(entry.module), entry.name)
        except ModuleNotFoundError as error:
            raise CommandError(Exit.USAGE, explain_missing(error, entry.extra)) from None
        assert isinstance(command, click.Command)  # noqa: S101 - what every module of the table holds
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As `click.Group`, by the lines in the table: the commands' own would have each of them imported."""
        names = [name for name in self._table if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=self._table[name].help) for name in names] + options

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands by their lines in the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self._table.items()])

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
