"""An MCP session of a command with an endpoint, by the SDK; what goes wrong becomes a `CommandError`."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import urlsplit

import click
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import Implementation, Tool

from vmcp_api.naming import MCP_PORT
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.settings import SOFTWARE_VERSION

DEFAULT_URL: Final = f"http://127.0.0.1:{MCP_PORT}/mcp"

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 900.0
"""Longer than the endpoint's own bound of a call, so that its error arrives rather than ours."""

_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)")
_REMEDIES: Final = {
    401: "give credentials with --header 'Authorization: Bearer ...'",
    403: "the credentials do not allow it",
    404: "check the path of the URL; it usually ends in /mcp",
    405: "check the URL; it usually ends in /mcp, on the port of the endpoint",
    421: "use a host name that the endpoint answers to (allowedHosts)",
    503: "wait until the session store is back; /status on the admin port says what it is",
}

_EXPECTED: Final = (MCPError, httpx2.HTTPError, httpx2.InvalidURL, click.ClickException, RuntimeError, OSError)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect; header values are credentials and stand in no message."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """The URL for messages, without what may be a credential in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(slots=True)
class Progress:
    """How far a conversation came: the session stands, the last HTTP status."""

    connected: bool = False
    status: int = 200


def parse_endpoint(url: str, headers: Sequence[str]) -> Endpoint:
    """The endpoint of a command line.

    Raises:
        click.UsageError: the URL or a header is none.
    """
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise click.UsageError(f"The URL must look like {DEFAULT_URL}.")
    pairs: list[tuple[str, str]] = []
    for position, header in enumerate(headers, 1):
        found = _HEADER.fullmatch(header.strip())
        if found is None:
            raise click.UsageError(f"--header number {position} is no header; write it as 'Name: value'.")
        pairs.append((found[1], found[2]))
    return Endpoint(url, tuple(pairs))


def converse(endpoint: Endpoint, work: Callable[[Client], Awaitable[ResultT]]) -> ResultT:
    """Runs `work` within one session and returns what it returns.

    Raises:
        CommandError: the endpoint cannot be reached, refuses, or answers with an error.
        click.ClickException: whatever of that kind `work` raises.
    """
    # The SDK logs what we say better ourselves.
    logging.getLogger().addHandler(logging.NullHandler())
    progress = Progress()
    try:
        return asyncio.run(_converse(endpoint, work, progress))
    except (ExceptionGroup, *_EXPECTED) as error:
        # The SDK's task groups wrap whatever `work` raises.
        first = _first(error)
        if isinstance(first, _EXPECTED):
            raise explain(first, endpoint, progress) from None
        raise


async def _converse(endpoint: Endpoint, work: Callable[[Client], Awaitable[ResultT]], progress: Progress) -> ResultT:
    async with connect(endpoint, progress) as client:
        return await work(client)


@asynccontextmanager
async def connect(endpoint: Endpoint, progress: Progress) -> AsyncIterator[Client]:
    """A session whose every request carries the endpoint's headers."""

    async def note(response: httpx2.Response) -> None:
        progress.status = response.status_code

    timeout = httpx2.Timeout(CONNECT_SECONDS, read=ANSWER_SECONDS)
    hooks = {"response": [note]}
    async with httpx2.AsyncClient(headers=list(endpoint.headers), timeout=timeout, event_hooks=hooks) as http:
        transport = streamable_http_client(endpoint.url, http_client=http)
        info = Implementation(name="vmcp", version=SOFTWARE_VERSION)
        async with Client(transport, mode="legacy", client_info=info) as client:
            progress.connected = True
            yield client


async def list_all_tools(client: Client) -> tuple[Tool, ...]:
    """Every tool, page by page."""
    page = await client.list_tools()
    tools = list(page.tools)
    while page.next_cursor:
        page = await client.list_tools(cursor=page.next_cursor)
        tools += page.tools
    return tuple(tools)


def explain(error: BaseException, endpoint: Endpoint, progress: Progress) -> click.ClickException:
    """What went wrong, in words, with the exit code."""
    if isinstance(error, click.ClickException):
        return error
    match error:
        case httpx2.ConnectError():
            message = f"cannot connect to {endpoint.shown}"
            return CommandError(Exit.UNAVAILABLE, message, "is `vmcp serve` running there?")
        case httpx2.TimeoutException():
            return CommandError(Exit.UNAVAILABLE, f"{endpoint.shown} did not answer in time", "see its log")
        case MCPError():
            return explain_answer(error, endpoint, progress)
        case httpx2.HTTPError() | httpx2.InvalidURL() | OSError():
            message = f"talking to {endpoint.shown} failed ({type(error).__name__})"
            return CommandError(Exit.UNAVAILABLE, message, "is it an MCP endpoint?")
        case _:
            return CommandError(Exit.FAILED, f"the answer of {endpoint.shown} is invalid: {error}")


def explain_answer(error: MCPError, endpoint: Endpoint, progress: Progress) -> CommandError:
    """What an error answer means: before the session stands nothing is served, later one operation failed."""
    said = error.message.rstrip(".")
    if progress.connected:
        return CommandError(Exit.FAILED, f"{endpoint.shown} answered: {said}")
    status = f" with HTTP {progress.status}" if progress.status >= httpx2.codes.BAD_REQUEST else ""
    message = f"{endpoint.shown} refused the session{status}: {said}"
    return CommandError(Exit.UNAVAILABLE, message, _REMEDIES.get(progress.status, ""))


def _first(error: BaseException) -> BaseException:
    """The first exception that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
