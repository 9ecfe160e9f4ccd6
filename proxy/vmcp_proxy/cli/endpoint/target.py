"""Where a command gets its answers from: a URL, or files whose servers it starts itself."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmcp_proxy.cli.endpoint.conversation import DEFAULT_URL, Target, parse_endpoint

if TYPE_CHECKING:
    from vmcp_proxy.cli.endpoint.local import LocalGroup

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_PATH = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def local_options(function: CommandT) -> CommandT:
    """Adds `-f` and `--mcp-config`, with which a command starts the servers itself."""
    function = click.option(
        "--mcp-config", type=_FILE, help="Start the servers of an editor's file for this command, instead of a URL."
    )(function)
    return click.option(
        "-f",
        "--file",
        "files",
        multiple=True,
        metavar="FILE_OR_DIR",
        type=_PATH,
        help="Start the servers of manifests for this command, instead of a URL.",
    )(function)


def local_group(files: tuple[Path, ...], mcp_config: Path | None) -> "LocalGroup | None":
    """The group of the files; None where none are named.

    Raises:
        click.UsageError: both kinds are.
    """
    if files and mcp_config is not None:
        raise click.UsageError("Give -f FILE_OR_DIR or --mcp-config FILE, not both.")
    if mcp_config is None and not files:
        return None
    # A whole proxy, which a command that is given a URL would load for nothing (half a second).
    from vmcp_proxy.cli.endpoint.local import LocalGroup  # noqa: PLC0415
    from vmcp_proxy.cli.serve.sources import ManifestSource, McpConfigSource  # noqa: PLC0415
    from vmcp_proxy.cli.stdio.source import OneClientSource  # noqa: PLC0415

    if mcp_config is not None:
        return LocalGroup(OneClientSource(McpConfigSource(mcp_config, os.environ)), (mcp_config,))
    return LocalGroup(OneClientSource(ManifestSource(files)), files)


def choose(url: str | None, headers: Sequence[str], files: tuple[Path, ...], mcp_config: Path | None) -> Target:
    """What to talk to; without a word `vmcp serve` on this machine.

    Raises:
        click.UsageError: a URL or a header is none, or does not go with files.
    """
    group = local_group(files, mcp_config)
    if group is None:
        return parse_endpoint(url or DEFAULT_URL, headers)
    if url is not None or headers:
        raise click.UsageError("A URL and --header do not go with -f and --mcp-config.")
    return group


def split_words(words: Sequence[str], noun: str) -> tuple[str | None, str]:
    """URL, if there is one, and the name of the positional arguments `[URL] NAME`.

    Raises:
        click.UsageError: they are none.
    """
    match words:
        case [name]:
            return None, name
        case [url, name] if "://" in url:
            return url, name
        case _:
            raise click.UsageError(f"Give [URL] {noun}.")
