"""`vmcp call`: one call of a tool, with its progress on stderr."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from vmcp_api.base import Json
from vmcp_proxy.cli.completion import complete_tools
from vmcp_proxy.cli.endpoint.arguments import check_text, parse_object, parse_pairs
from vmcp_proxy.cli.endpoint.conversation import Conversation, Object, converse, list_whole
from vmcp_proxy.cli.endpoint.search import tools_for
from vmcp_proxy.cli.endpoint.target import choose, local_options
from vmcp_proxy.cli.endpoint.trace import KEY as TRACE
from vmcp_proxy.cli.endpoint.trace import describe_trace
from vmcp_proxy.cli.endpoint.unknown import unlisted
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.output import clean, print_json, print_text, to_json


@dataclass(frozen=True, slots=True)
class Call:
    """A tool and its arguments as the command line gives them: whole, or as pairs that the schema explains."""

    tool: str
    pairs: tuple[str, ...]
    whole: Mapping[str, Json] | None
    wants_trace: bool = False

    async def run(self, conversation: Conversation) -> dict[str, Json]:
        """Looks the tool up, calls it and shows its progress.

        Raises:
            CommandError: there is no such tool.
            click.UsageError: the arguments do not fit it.
        """
        schema = await find_schema(conversation, self.tool)
        arguments = dict(self.whole) if self.whole is not None else parse_pairs(self.pairs, self.tool, schema)
        check_text(arguments)
        meta: Object = {"_meta": {TRACE: True}} if self.wants_trace else {}
        params: Object = {"name": self.tool, "arguments": arguments, **meta}
        return await conversation.ask("tools/call", params, show_progress)


@click.command("call")
@click.argument("words", nargs=-1, required=True, metavar="[URL] TOOL", shell_complete=complete_tools)
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, read by the tool's schema.")
@click.option("--json", "whole", metavar="OBJECT", help="All arguments as one JSON object.")
@click.option("--trace", is_flag=True, help="Show on stderr how a composite tool went, step by step.")
@local_options
@click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request; repeat it.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    words: tuple[str, ...],
    pairs: tuple[str, ...],
    whole: str | None,
    trace: bool,
    files: tuple[Path, ...],
    mcp_config: Path | None,
    headers: tuple[str, ...],
    output: str,
) -> None:
    """Call a tool of an endpoint (by default of `vmcp serve` on this machine) and print its result.

    A result that is an error goes to stderr and ends with exit code 1.
    Ctrl-C, SIGTERM, SIGHUP and the end of whoever reads the output cancel the call at the endpoint.

    Example: vmcp call --mcp-config ~/.cursor/mcp.json time_get_current_time --arg timezone=UTC
    """
    url, tool = split_words(words)
    if pairs and whole is not None:
        raise click.UsageError("Give the arguments by --arg or by --json, not both.")
    call = Call(tool, pairs, None if whole is None else parse_object(whole), trace)
    result = converse(choose(url, headers, files, mcp_config), call.run)
    is_error = result.get("isError") is True
    if trace:
        click.echo(describe_trace(result), err=True)
    if output == "json":
        print_json(result)
    else:
        print_text(describe_result(result), err=is_error)
    if is_error:
        raise click.exceptions.Exit(Exit.FAILED)


def split_words(words: Sequence[str]) -> tuple[str | None, str]:
    """URL and tool of the positional arguments.

    Raises:
        click.UsageError: they are not `[URL] TOOL`.
    """
    match words:
        case [tool] if "://" not in tool:
            return None, tool
        case [url, tool] if "://" in url:
            return url, tool
        case _:
            raise click.UsageError("Give [URL] TOOL; arguments of the tool go into --arg NAME=VALUE.")


async def find_schema(conversation: Conversation, name: str) -> Object:
    """The input schema of the tool of a name, which a list under tool search need not show; empty where it has none.

    Raises:
        CommandError: there is no such tool.
    """
    tools = await list_whole(conversation, "tools/list", "tools")
    known = await tools_for(conversation, tools, name)
    if name not in known:
        raise unlisted("tool", name, known, tools.missing)
    schema = known[name].get("inputSchema")
    return schema if isinstance(schema, dict) else {}


async def show_progress(progress: float, total: float | None, message: str | None) -> None:
    """One line on stderr for each step that the tool reports."""
    done = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
    # A call is not worth less because nobody looks on.
    with suppress(BrokenPipeError):
        click.echo(f"[{done}] {clean(message or '')}".rstrip(), err=True)


def describe_result(result: Object) -> str:
    """The content as text; what is no text is named by kind, type and size."""
    content = result.get("content")
    if not content and "structuredContent" in result:
        return to_json(result["structuredContent"])
    if isinstance(content, list):
        return "\n".join(map(_describe, content))
    return "" if content is None else to_json(content)


def _describe(block: Json) -> str:
    match block:
        case {"type": "text", "text": str(text)} | {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"type": "resource" as kind, "resource": {"uri": str(uri)}}:
            return f"[{kind} {uri}]"
        case {"type": "resource_link" as kind, "uri": str(uri)}:
            return f"[{kind} {uri}]"
        case {"type": str(kind), "data": str(data), "mimeType": str(media_type)}:
            return f"[{kind} {media_type}, {len(data) * 3 // 4} bytes; -o json shows it]"
        case {"type": str(kind)}:
            return f"[{kind}]"
        case _:
            return "[?]"
