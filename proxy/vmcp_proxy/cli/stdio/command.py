"""`--stdio` among the options of `vmcp serve`."""

from collections.abc import Mapping
from typing import Final

import click

from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.serve.stdio.pipes import Pipes, take_standard_streams

_NOT_BOTH: Final = "does not go with --stdio, which listens on no port; run another `vmcp serve` for the network"


def refuse_others(given: Mapping[str, object]) -> None:
    """Refuses options that are about clients of the network; `given` are their values, empty ones left out.

    Raises:
        click.UsageError: there is one.
    """
    for option, value in given.items():
        if value is not None and value is not False and (option != "--shutdown-delay" or value):
            raise click.UsageError(f"{option} {_NOT_BOTH}.")


def take_streams() -> Pipes:
    """The pipes of the client that started this process.

    Raises:
        CommandError: there are none.
    """
    try:
        return take_standard_streams()
    except OSError as error:
        message = f"standard input or output is closed: {error.strerror}"
        raise CommandError(Exit.UNAVAILABLE, message, "let the MCP client start this command") from None
