"""`vmcp read` and `vmcp get`: one resource, one prompt."""

import base64
import binascii
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vmcp_api.base import Json
from vmcp_proxy.cli.endpoint.conversation import Conversation, converse
from vmcp_proxy.cli.endpoint.target import choose, local_options, split_words
from vmcp_proxy.cli.endpoint.unknown import prompt_or_hint, resource_or_hint
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean, print_json, print_text

_HEADER = click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request.")
_OUTPUT = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command("read")
@click.argument("words", nargs=-1, required=True, metavar="[URL] URI")
@local_options
@_HEADER
@_OUTPUT
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), help="Write the bytes of the resource to a file."
)
def read(
    words: tuple[str, ...],
    files: tuple[Path, ...],
    mcp_config: Path | None,
    headers: tuple[str, ...],
    output: str,
    to: Path | None,
) -> None:
    """Read a resource of an endpoint (by default of `vmcp serve` on this machine).

    Bytes go into a file or a pipe; on a terminal their type and size are shown.

    Example: vmcp read -f vmcp.yaml file:///notes.txt
    """
    url, uri = split_words(words, "URI")

    async def ask(conversation: Conversation) -> dict[str, Json]:
        return await resource_or_hint(conversation, uri, conversation.ask("resources/read", {"uri": uri}))

    result = converse(choose(url, headers, files, mcp_config), ask)
    if output == "json":
        print_json(result)
        return
    contents = result.get("contents")
    parts = [each for each in contents if isinstance(each, dict)] if isinstance(contents, list) else []
    if to is not None:
        _write(to, b"".join(map(content_bytes, parts)))
        return
    for part in parts:
        _show(part)


@click.command("get")
@click.argument("words", nargs=-1, required=True, metavar="[URL] PROMPT")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument of the prompt; repeat it.")
@local_options
@_HEADER
@_OUTPUT
def get(
    words: tuple[str, ...],
    pairs: tuple[str, ...],
    files: tuple[Path, ...],
    mcp_config: Path | None,
    headers: tuple[str, ...],
    output: str,
) -> None:
    """Get a prompt of an endpoint (by default of `vmcp serve` on this machine), filled in.

    Example: vmcp get notes_summary --arg topic=bread
    """
    url, name = split_words(words, "PROMPT")
    arguments = parse_texts(pairs)

    async def ask(conversation: Conversation) -> dict[str, Json]:
        return await prompt_or_hint(conversation, name, arguments)

    result = converse(choose(url, headers, files, mcp_config), ask)
    if output == "json":
        print_json(result)
        return
    messages = result.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            print_text(f"{message.get('role', '?')}: {_said(message.get('content'))}")


def parse_texts(pairs: Sequence[str]) -> dict[str, str]:
    """The arguments of a prompt, which are text.

    Raises:
        click.UsageError: a pair is none, or a name stands twice.
    """
    arguments: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise click.UsageError("--arg takes name=value.")
        if name in arguments:
            raise click.UsageError(f"--arg {name} is given twice.")
        arguments[name] = text
    return arguments


def content_bytes(part: dict[str, Any]) -> bytes:
    """The bytes of a part of a resource.

    Raises:
        CommandError: they are not in Base64.
    """
    blob = part.get("blob")
    if not isinstance(blob, str):
        return str(part.get("text", "")).encode(errors="surrogatepass")
    try:
        return base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        raise CommandError(Exit.FAILED, "the resource is not in Base64", "read it with -o json") from None


def _show(part: dict[str, Any]) -> None:
    if "blob" not in part:
        print_text(str(part.get("text", "")))
        return
    data = content_bytes(part)
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(data)
        return
    kind = clean(str(part.get("mimeType") or "unknown type"))
    click.echo(f"[{kind}, {len(data)} bytes; --to FILE writes them]")


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise CommandError(Exit.FAILED, f"{file} cannot be written: {error.strerror}", "name another file") from None
    click.echo(f"wrote {len(data)} bytes to {file}", err=True)


def _said(content: Any) -> str:
    match content:
        case {"type": "text", "text": str(text)} | {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": str(kind)}:
            return f"[{kind}; -o json shows it]"
        case _:
            return "[?]"
