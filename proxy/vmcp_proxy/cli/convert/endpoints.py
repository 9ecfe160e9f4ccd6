"""`vmcp convert --diff`: asks two endpoints what they serve, and tells what differs."""

from collections.abc import Sequence
from typing import Final

import click
from mcp import MCPError
from mcp_types import METHOD_NOT_FOUND

from vmcp_api.spec.optimizer import CALL_TOOL, FIND_TOOL
from vmcp_proxy.cli.convert.differences import Change, Difference, Entries, find_differences
from vmcp_proxy.cli.endpoint.conversation import Conversation, Endpoint, Listing, converse, list_whole, parse_endpoint
from vmcp_proxy.cli.endpoint.missing import tell_missing
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean, print_json

_LISTS: Final = (
    ("tool", "tools/list", "tools"),
    ("resource", "resources/list", "resources"),
    ("resource template", "resources/templates/list", "resourceTemplates"),
    ("prompt", "prompts/list", "prompts"),
)
_SEARCHED: Final = "lists find_tool and call_tool: tools that are found by these alone are not compared"
_SAID: Final = {
    Change.MISSING: "is missing at the new endpoint",
    Change.ADDED: "is there at the new endpoint alone",
    Change.CHANGED: "differs in {members}",
}


def compare(urls: tuple[str, str], headers: Sequence[Sequence[str]], output: str) -> None:
    """Prints what differs; nothing may be concluded from lists that lack backends.

    Raises:
        CommandError: an endpoint cannot be asked, or lacks backends.
        click.exceptions.Exit: something differs.
    """
    old, new = (ask(parse_endpoint(url, own)) for url, own in zip(urls, headers, strict=True))
    for url, entries in zip(urls, (old, new), strict=True):
        if {FIND_TOOL, CALL_TOOL} <= {tool.get("name") for tool in entries["tool"] if isinstance(tool, dict)}:
            click.echo(f"vmcp: {clean(parse_endpoint(url, ()).shown)} {_SEARCHED}", err=True)
    differences = tuple(find_differences(old, new))
    if output == "json":
        print_json({"same": not differences, "differences": [each.describe() for each in differences]})
    else:
        for each in differences:
            click.echo(clean(say(each)))
        counts = ", ".join(f"{len(new[kind])} {kind}{'' if len(new[kind]) == 1 else 's'}" for kind, _, _ in _LISTS)
        click.echo(f"{len(differences)} differences; the new endpoint has {counts}")
    if differences:
        raise click.exceptions.Exit(Exit.INCOMPLETE)


def ask(endpoint: Endpoint) -> Entries:
    """All that an endpoint lists.

    Raises:
        CommandError: it cannot be asked, or backends of it do not answer.
    """
    listings = converse(endpoint, _list_all)
    missing = {name: message for each in listings.values() for name, message in each.missing.items()}
    if missing:
        tell_missing(endpoint, missing)
        message = f"backends of {endpoint.shown} do not answer"
        raise CommandError(Exit.UNAVAILABLE, message, "compare once all are there")
    return {kind: each.entries for kind, each in listings.items()}


def say(difference: Difference) -> str:
    """A difference in one line."""
    words = _SAID[difference.change].format(members=", ".join(difference.members))
    return f"{difference.kind} {difference.name}: {words}"


async def _list_all(conversation: Conversation) -> dict[str, Listing]:
    return {kind: await _list(conversation, method, key) for kind, method, key in _LISTS}


async def _list(conversation: Conversation, method: str, key: str) -> Listing:
    """A list; a server that has no such list has nothing to list."""
    try:
        return await list_whole(conversation, method, key)
    except MCPError as error:
        if error.error.code == METHOD_NOT_FOUND:
            return Listing((), {})
        raise
