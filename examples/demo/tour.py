"""What the demo shows: a real MCP client at the endpoint."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent, TextResourceContents

FAKE_KEY = "demo-key-123"


def say(text: str = "") -> None:
    """One line or more, at once."""
    print(text, flush=True)


def show_backends(backends: Sequence[Mapping[str, Any]]) -> None:
    """The backends as the admin port tells them."""
    say(f"  {'backend':<10}{'status':<10}{'transport':<18}{'tools':>5}{'resources':>11}{'prompts':>9}")
    for each in backends:
        counts = f"{each['tools']:>5}{each['resources']:>11}{each['prompts']:>9}"
        say(f"  {each['name']:<10}{each['status']:<10}{each['transport']:<18}{counts}")


def show_step(method: str, target: str = "", note: str = "") -> None:
    """What the client does next."""
    said = " ".join(part for part in (method, target) if part)
    say(f"\n> {said}{f'   # {note}' if note else ''}")


def indent(text: str) -> str:
    """Text under a step."""
    return "\n".join(f"  {line}" for line in text.splitlines())


async def tour(url: str) -> None:
    """One session: tools, a stdio call, progress, passthrough headers, a resource, a prompt."""
    async with httpx2.AsyncClient(headers={"X-Api-Key": FAKE_KEY}, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode="legacy", read_timeout_seconds=30) as client:
            await show_tools(client)
            await show_calls(client)
            await show_rest(client)


async def show_tools(client: Client) -> None:
    """The tools of all backends."""
    show_step("tools/list")
    tools = (await client.list_tools()).tools
    width = max(len(tool.name) for tool in tools) + 2
    for tool in tools:
        first = (tool.description or "").strip().splitlines()[:1]
        say(f"  {tool.name:<{width}}{first[0] if first else ''}")


async def show_calls(client: Client) -> None:
    """A program, progress, and the headers of the session."""
    show_step("tools/call", "time_get_current_time", "a program on this machine")
    said = text_of(await client.call_tool("time_get_current_time", {"timezone": "Europe/Berlin"}))
    say(f"  {json.loads(said)['datetime']}")

    async def progress(done: float, total: float | None, message: str | None) -> None:
        say(f"  [{done:g}/{total or 0:g}] {message}")

    show_step("tools/call", "notes_search", "with progress")
    say(indent(text_of(await client.call_tool("notes_search", {"word": "session"}, progress_callback=progress))))
    show_step("tools/call", "headers_show", "what the client sent reaches the backend")
    say(indent(text_of(await client.call_tool("headers_show"))))
    show_step("tools/call", "partner_show", "beside a token from a Secret")
    say(indent(text_of(await client.call_tool("partner_show"))))


async def show_rest(client: Client) -> None:
    """A resource and a prompt."""
    show_step("resources/read", "notes://welcome")
    for content in (await client.read_resource("notes://welcome")).contents:
        if isinstance(content, TextResourceContents):
            say(indent(content.text))
    show_step("prompts/get", "notes_summarize")
    for message in (await client.get_prompt("notes_summarize", {"name": "reload"})).messages:
        if isinstance(message.content, TextContent):
            say(indent(message.content.text))


def text_of(result: CallToolResult) -> str:
    """The text of a result.

    Raises:
        RuntimeError: the tool answered with an error.
    """
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise RuntimeError(text)
    return text


def show_snippet(url: str) -> None:
    """What to put into the configuration of an MCP client."""
    say("\nAdd it to your MCP client:\n")
    say(indent(json.dumps({"mcpServers": {"vmcp": {"url": url}}}, indent=2)))
