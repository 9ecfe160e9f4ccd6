"""MCP clients that reach endpoints of the cluster."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from e2e.support.network import reachable

ANSWER_SECONDS = 60.0
FOLLOW_SECONDS = 20.0
"""How long a change may take to reach an open session: seconds, far less than a kubelet's own refresh."""


@asynccontextmanager
async def connected(
    url: str, headers: dict[str, str] | None = None, **callbacks: Any
) -> AsyncIterator[tuple[Client, list[Any]]]:
    """An SDK client with a session at a URL of the cluster, and the messages that the endpoint sent unasked."""
    said: list[Any] = []

    async def note(message: Any) -> None:
        said.append(message)

    async with (
        reachable(url) as near,
        httpx2.AsyncClient(headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as http,
        Client(
            streamable_http_client(near, http_client=http), mode="legacy", message_handler=note, **callbacks
        ) as client,
    ):
        yield client, said


async def tool_names(client: Client) -> list[str]:
    """The names of the endpoint's tools."""
    return [tool.name for tool in (await client.list_tools()).tools]


async def call(client: Client, name: str, **arguments: Any) -> str:
    """The text that a tool answered with."""
    result = await client.call_tool(name, arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    return content.text


async def shown_headers(client: Client, name: str) -> dict[str, str]:
    """The headers that reached a backend, by the tool that shows them."""
    shown: dict[str, str] = json.loads(await call(client, name))
    return shown


async def until(check: Callable[[], Any], seconds: float = FOLLOW_SECONDS) -> None:
    """Waits until something that a connection brings is so."""
    async with asyncio.timeout(seconds):
        while not await _value(check()):  # noqa: ASYNC110 - what others do has no event to wait on
            await asyncio.sleep(0.1)


async def _value(outcome: Any) -> Any:
    return await outcome if asyncio.iscoroutine(outcome) else outcome
