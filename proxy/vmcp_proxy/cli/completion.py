"""Names that a shell completes while a command line is written."""

import asyncio
from collections.abc import Iterable
from typing import Final

import click
import httpx2
from click.shell_completion import CompletionItem

from vmcp_api.naming import ADMIN_PORT
from vmcp_proxy.cli.endpoint.conversation import DEFAULT_URL, Endpoint, connect, list_tools, parse_endpoint
from vmcp_proxy.cli.endpoint.failures import Progress
from vmcp_proxy.cli.output import clean
from vmcp_proxy.protocol.kinds import Kind

DEFAULT_ADMIN: Final = f"http://127.0.0.1:{ADMIN_PORT}"

SECONDS = 2.0
"""How long somebody who pressed Tab may wait; an endpoint that takes longer completes nothing."""


def complete_tools(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tools of the endpoint that the command line names so far, or of this machine's; none while it is away."""
    url = _url(ctx, param, incomplete, DEFAULT_URL)
    if url is None:
        return []
    try:
        endpoint = parse_endpoint(url, ctx.params.get("headers") or ())
        tools = asyncio.run(_list_tools(endpoint))
    except Exception:  # noqa: BLE001 - a traceback between the words of a command line helps nobody
        return []
    return _items(tools, incomplete)


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What can be asked about at the admin port that the command line names so far, or at this machine's."""
    url = _url(ctx, param, incomplete, DEFAULT_ADMIN)
    if url is None:
        return []
    try:
        base = parse_endpoint(url, ()).url.rstrip("/").removesuffix("/explain")
        kind = {"kind": ctx.params.get("kind") or Kind.TOOL.value}
        answer = httpx2.get(f"{base}/explain", params=kind, timeout=SECONDS)
        names = [name for name in answer.json()["names"] if isinstance(name, str)]
    except Exception:  # noqa: BLE001 - as above
        return []
    return _items(names, incomplete)


def _url(ctx: click.Context, param: click.Parameter, incomplete: str, default: str) -> str | None:
    """Whom to ask; None where the word that is written is no name."""
    # Bash parts a URL at its colons.
    url = "".join(word for word in ctx.params.get(param.name or "") or () if isinstance(word, str))
    return None if "://" in incomplete or (url and "://" not in url) else url or default


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete) and clean(name) == name]


async def _list_tools(endpoint: Endpoint) -> tuple[str, ...]:
    async with asyncio.timeout(SECONDS), connect(endpoint, Progress()) as conversation:
        listed = await list_tools(conversation)
    named = (entry.get("name") for entry in listed.entries if isinstance(entry, dict))
    return tuple(name for name in named if isinstance(name, str))
