"""What commands print: tables for people, JSON for programs, and nothing that could steer a terminal."""

import json
import sys
from collections.abc import Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vmcp_api.base import Json


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; aligned plain text, whole and unwrapped, into a pipe."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in align([[heading.upper() for heading in headings], *cells]):
            click.echo(line)
        return
    table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold")
    for position, heading in enumerate(headings):
        table.add_column(heading, no_wrap=position == 0, style="cyan" if position == 0 else None)
    for row in cells:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines with columns under one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def print_json(value: Json) -> None:
    """A value for programs, whole."""
    click.echo(to_json(value))


def to_json(value: Json) -> str:
    """A value as indented JSON, its members in their order."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def print_text(text: str, *, err: bool = False) -> None:
    """Text of a backend: as it is into a pipe, without control characters on a terminal."""
    stream = sys.stderr if err else sys.stdout
    shown = "\n".join(map(clean, text.split("\n"))) if stream.isatty() else text
    click.echo(shown, err=err)


def clean(text: str) -> str:
    """One line of text without characters that steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def first_line(text: str | None) -> str:
    """The first line that says something."""
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")
