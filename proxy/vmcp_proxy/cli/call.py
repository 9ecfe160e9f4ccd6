"""`vmcp call`: one call of a tool, with its progress on stderr."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click
from mcp import Client
from mcp_types import CallToolResult, Tool

from vmcp_api.base import Json
from vmcp_api.suggest import suggest
from vmcp_proxy.cli.arguments import parse_object, parse_pairs
from vmcp_proxy.cli.client import DEFAULT_URL, converse, list_all_tools, parse_endpoint
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean, print_json, print_text


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments as the command line gives them: whole, or as pairs that the schema explains."""

    tool: str
    pairs: tuple[str, ...]
    whole: Mapping[str, Json] | None

    async def run(self, client: Client) -> CallToolResult:
        """Looks the tool up, calls it and shows its progress.

        Raises:
            CommandError: there is no such tool.
            click.UsageError: the arguments do not fit it.
        """
        tool = find_tool(await list_all_tools(client), self.tool)
        arguments = (
            dict(self.whole) if self.whole is not None else parse_pairs(self.pairs, tool.name, tool.input_schema)
        )
        return await client.call_tool(tool.name, arguments, progress_callback=show_progress)


@click.command("call")
@click.argument("words", nargs=-1, required=True, metavar="[URL] TOOL")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, read by the tool's schema.")
@click.option("--json", "whole", metavar="OBJECT", help="All arguments as one JSON object.")
@click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request; repeat it.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    words: tuple[str, ...], pairs: tuple[str, ...], whole: str | None, headers: tuple[str, ...], output: str
) -> None:
    """Call a tool of an endpoint (by default of `vmcp serve` on this machine) and print its result.

    A result that is an error goes to stderr and ends with exit code 1.
    """
    url, tool = split_words(words)
    if pairs and whole is not None:
        raise click.UsageError("Give the arguments by --arg or by --json, not both.")
    call = Call(tool, pairs, None if whole is None else parse_object(whole))
    result = converse(parse_endpoint(url, headers), call.run)
    if output == "json":
        print_json(result.model_dump(mode="json", by_alias=True, exclude_none=True))
    else:
        print_text(describe_result(result), err=bool(result.is_error))
    if result.is_error:
        raise click.exceptions.Exit(Exit.FAILED)


def split_words(words: Sequence[str]) -> tuple[str, str]:
    """URL and tool of the positional arguments.

    Raises:
        click.UsageError: they are not `[URL] TOOL`.
    """
    match words:
        case [tool] if "://" not in tool:
            return DEFAULT_URL, tool
        case [url, tool] if "://" in url:
            return url, tool
        case _:
            raise click.UsageError("Give [URL] TOOL; arguments of the tool go into --arg NAME=VALUE.")


def find_tool(tools: Sequence[Tool], name: str) -> Tool:
    """The tool of a name.

    Raises:
        CommandError: there is none.
    """
    known = {tool.name: tool for tool in tools}
    if name not in known:
        remedy = suggest(name, known, noun="tools")
        raise CommandError(Exit.FAILED, f"there is no tool {name!r}", remedy)
    return known[name]


async def show_progress(progress: float, total: float | None, message: str | None) -> None:
    """One line on stderr for each step that the tool reports."""
    done = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
    click.echo(f"[{done}] {clean(message or '')}".rstrip(), err=True)


def describe_result(result: CallToolResult) -> str:
    """The content as text; what is no text is named by kind, type and size."""
    if not result.content and result.structured_content is not None:
        return str(result.structured_content)
    return "\n".join(_describe(block.model_dump(by_alias=True)) for block in result.content)


def _describe(block: Mapping[str, Json]) -> str:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "resource", "resource": {"uri": uri}} | {"type": "resource_link", "uri": uri}:
            return f"[{block['type']} {uri}]"
        case {"type": kind, "data": str(data), "mimeType": media_type}:
            return f"[{kind} {media_type}, {len(data) * 3 // 4} bytes; -o json shows it]"
        case _:
            return f"[{block.get('type')}]"
