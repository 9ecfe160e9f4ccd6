"""`vmcp resources` and `vmcp prompts`: what an endpoint offers to read and to fill in."""

from pathlib import Path
from typing import Any

import click

from vmcp_api.base import Json
from vmcp_proxy.cli.endpoint.conversation import Conversation, Listing, converse, list_whole
from vmcp_proxy.cli.endpoint.missing import tell_missing
from vmcp_proxy.cli.endpoint.target import choose, local_options
from vmcp_proxy.cli.output import first_line, print_json, print_table

_HEADER = click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request.")
_OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)


@click.command("resources")
@click.argument("url", required=False)
@local_options
@_HEADER
@_OUTPUT
def resources(
    url: str | None, files: tuple[Path, ...], mcp_config: Path | None, headers: tuple[str, ...], output: str
) -> None:
    """List the resources and templates of an endpoint (by default of `vmcp serve` on this machine).

    Example: vmcp resources --mcp-config ~/.cursor/mcp.json
    """
    target = choose(url, headers, files, mcp_config)
    listed, templates = converse(target, _list_resources)
    tell_missing(target, listed.missing, templates.missing)
    if output == "json":
        print_json({"resources": list(listed.entries), "resourceTemplates": list(templates.entries)})
        return
    rows = [(_text(each, "uri"), _text(each, "mimeType"), _about(each)) for each in listed.entries]
    rows += [(_text(each, "uriTemplate"), _text(each, "mimeType"), _about(each)) for each in templates.entries]
    print_table(("URI", "Type", "Description"), rows)


@click.command("prompts")
@click.argument("url", required=False)
@local_options
@_HEADER
@_OUTPUT
def prompts(
    url: str | None, files: tuple[Path, ...], mcp_config: Path | None, headers: tuple[str, ...], output: str
) -> None:
    """List the prompts of an endpoint (by default of `vmcp serve` on this machine).

    Example: vmcp prompts -f vmcp.yaml
    """
    target = choose(url, headers, files, mcp_config)
    listed = converse(target, _list_prompts)
    tell_missing(target, listed.missing)
    if output == "json":
        print_json(list(listed.entries))
        return
    print_table(
        ("Prompt", "Arguments", "Description"),
        [(_text(each, "name"), _arguments(each), _about(each)) for each in listed.entries],
    )


async def _list_resources(conversation: Conversation) -> tuple[Listing, Listing]:
    return (
        await list_whole(conversation, "resources/list", "resources"),
        await list_whole(conversation, "resources/templates/list", "resourceTemplates"),
    )


async def _list_prompts(conversation: Conversation) -> Listing:
    return await list_whole(conversation, "prompts/list", "prompts")


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""


def _about(entry: Json) -> str:
    return first_line(_text(entry, "description")) or _text(entry, "title") or _text(entry, "name")


def _arguments(entry: Any) -> str:
    """The names of the arguments; those that may be left out in brackets."""
    arguments = entry.get("arguments") if isinstance(entry, dict) else None
    known = [each for each in arguments if isinstance(each, dict)] if isinstance(arguments, list) else []
    return " ".join(
        _text(each, "name") if each.get("required") is True else f"[{_text(each, 'name')}]" for each in known
    )
