"""Names that a shell completes while a command line is written."""

import asyncio

import click
from click.shell_completion import CompletionItem

from vmcp_proxy.cli.endpoint.conversation import DEFAULT_URL, Endpoint, connect, list_all_tools, parse_endpoint
from vmcp_proxy.cli.endpoint.failures import Progress
from vmcp_proxy.cli.output import clean

SECONDS = 2.0
"""How long somebody who pressed Tab may wait; an endpoint that takes longer completes nothing."""


def complete_tools(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tools of the endpoint that the command line names so far, or of this machine's; none while it is away."""
    # Bash parts a URL at its colons.
    url = "".join(word for word in ctx.params.get(param.name or "") or () if isinstance(word, str))
    if "://" in incomplete or (url and "://" not in url):
        return []
    try:
        endpoint = parse_endpoint(url or DEFAULT_URL, ctx.params.get("headers") or ())
        tools = asyncio.run(_list_tools(endpoint))
    except Exception:  # noqa: BLE001 - a traceback between the words of a command line helps nobody
        return []
    names = sorted(name for name in tools if name.startswith(incomplete) and clean(name) == name)
    return [CompletionItem(name) for name in names]


async def _list_tools(endpoint: Endpoint) -> tuple[str, ...]:
    async with asyncio.timeout(SECONDS), connect(endpoint, Progress()) as conversation:
        listed = await list_all_tools(conversation)
    named = (entry.get("name") for entry in listed if isinstance(entry, dict))
    return tuple(name for name in named if isinstance(name, str))
