"""`vmcp tools`: what an endpoint offers to call."""

from pathlib import Path
from typing import Final

import click

from vmcp_api.base import Json
from vmcp_proxy.cli.endpoint.arguments import required_names, type_names
from vmcp_proxy.cli.endpoint.conversation import Conversation, Listing, Object, Target, converse, list_tools
from vmcp_proxy.cli.endpoint.missing import tell_missing
from vmcp_proxy.cli.endpoint.search import Answer, finds_tools, search
from vmcp_proxy.cli.endpoint.target import choose, local_options
from vmcp_proxy.cli.output import clean, first_line, print_json, print_table

_HINTS: Final = (
    ("readOnlyHint", "read-only"),
    ("destructiveHint", "destructive"),
    ("idempotentHint", "idempotent"),
    ("openWorldHint", "open-world"),
)


def _words(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("is empty; say in a few words what the tools are for.")
    return value


search_option: Final = click.option(
    "--search",
    "query",
    metavar="WORDS",
    callback=_words,
    help="Only the tools for what these words say, the best first.",
)
"""What `vmcp tools` and `kubectl vmcp tools` search for."""


@click.command("tools")
@click.argument("url", required=False)
@local_options
@click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request; repeat it.")
@search_option
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
def command(
    url: str | None,
    files: tuple[Path, ...],
    mcp_config: Path | None,
    headers: tuple[str, ...],
    query: str | None,
    output: str,
) -> None:
    """List the tools of an endpoint (by default of `vmcp serve` on this machine).

    Example: vmcp tools --mcp-config ~/.cursor/mcp.json --search "open an issue"
    """
    target = choose(url, headers, files, mcp_config)
    if query is not None:
        _print_found(target, query, output)
        return
    listing = converse(target, list_tools)
    tell_missing(target, listing.missing)
    if finds_tools(listing) is not None:
        click.echo('vmcp: more tools than these are found by: vmcp tools --search "WORDS"', err=True)
    listed = listing.entries
    tools = [entry if isinstance(entry, dict) else {} for entry in listed]
    match output:
        case "json":
            print_json(list(listed))
        case "wide":
            rows = [(name_of(tool), describe_arguments(tool), hints(tool), whole(tool)) for tool in tools]
            print_table(("Tool", "Arguments", "Hints", "Description"), rows)
        case _:
            print_table(("Tool", "Description"), [(name_of(tool), first_line(_description(tool))) for tool in tools])


def _print_found(target: Target, query: str, output: str) -> None:
    async def look(conversation: Conversation) -> tuple[Listing, Answer]:
        listing = await list_tools(conversation)
        return listing, await search(conversation, listing, query)

    listing, answer = converse(target, look)
    tell_missing(target, listing.missing)
    click.echo(f"vmcp: {clean(answer.how)}", err=True)
    tools = [each.tool for each in answer.found]
    if output == "json":
        print_json(list(tools))
        return
    marks = ["weak" if each.is_weak else "" for each in answer.found]
    if output == "wide":
        rows = [
            (name_of(tool), each.backend, describe_arguments(tool), hints(tool), mark, whole(tool))
            for each, tool, mark in zip(answer.found, tools, marks, strict=True)
        ]
        print_table(("Tool", "Backend", "Arguments", "Hints", "Match", "Description"), rows)
        return
    lines = [(name_of(tool), mark, first_line(_description(tool))) for tool, mark in zip(tools, marks, strict=True)]
    print_table(("Tool", "Match", "Description"), lines)


def name_of(tool: Object) -> str:
    """The name, or a question mark where there is none."""
    name = tool.get("name")
    return name if isinstance(name, str) else "?"


def describe_arguments(tool: Object) -> str:
    """The arguments with their types; those that may be left out in brackets."""
    schema = _object(tool.get("inputSchema"))
    required = required_names(schema)
    described = [
        (name, f"{name}:{'|'.join(type_names(_object(value))) or 'any'}")
        for name, value in _object(schema.get("properties")).items()
    ]
    return " ".join(text if name in required else f"[{text}]" for name, text in described)


def hints(tool: Object) -> str:
    """What the tool says of itself."""
    annotations = _object(tool.get("annotations"))
    return " ".join(word for name, word in _HINTS if annotations.get(name) is True)


def whole(tool: Object) -> str:
    """The description on one line."""
    return " ".join(_description(tool).split())


def _description(tool: Object) -> str:
    description = tool.get("description")
    return description if isinstance(description, str) else ""


def _object(value: Json) -> Object:
    return value if isinstance(value, dict) else {}
