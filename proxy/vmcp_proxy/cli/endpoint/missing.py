"""Tells on stderr which backends a list lacks: an empty table would pass for an endpoint that has nothing."""

from collections.abc import Mapping

import click

from vmcp_proxy.cli.endpoint.conversation import Endpoint, Target
from vmcp_proxy.cli.output import clean


def tell_missing(target: Target, *missing: Mapping[str, str]) -> None:
    """One line for each backend; a group that the command has started itself tells its own."""
    if not isinstance(target, Endpoint):
        return
    said = {name: message for each in missing for name, message in each.items()}
    for name, message in said.items():
        click.echo(f"vmcp: what {clean(name)} has may be missing: {clean(message or 'no answer')}", err=True)
