"""Durations on the command line."""

import click

from vmcp_api.text.durations import parse_duration

_LONGEST = 86_400.0


def parse_bound(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Seconds of an option such as `90s`; at most a day.

    Raises:
        click.BadParameter: the text is no such duration.
    """
    del ctx, param
    if value is None:
        return None
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}.") from None
    if not 0 < seconds <= _LONGEST:
        raise click.BadParameter(f"{value!r} is out of bounds; write more than 0s and at most 24h.")
    return seconds
