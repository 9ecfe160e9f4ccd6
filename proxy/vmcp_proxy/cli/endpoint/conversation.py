"""A command's MCP session with an endpoint: transport and handshake by the SDK, results as the JSON that came."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, TypeVar
from urllib.parse import SplitResult, urlsplit

import click
import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import CallOptions, ProgressFnT
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import Implementation

from vmcp_api.base import Json
from vmcp_api.naming import MCP_PORT
from vmcp_proxy.cli.endpoint.failures import EXPECTED, Progress, explain, first_of
from vmcp_proxy.cli.endpoint.interrupts import Interruption, cancelling_on_interrupt
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.core.catalog.pagination import OUTCOMES_KEY
from vmcp_proxy.run.settings import SOFTWARE_VERSION

DEFAULT_URL: Final = f"http://127.0.0.1:{MCP_PORT}/mcp"

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 900.0
"""Longer than the endpoint's own bound of a call, so that its error arrives rather than ours."""
EVENT_BYTES: Final = 256 * 2**20
"""The largest answer in an event stream; endpoints bound theirs, this only keeps the memory of the machine."""
PAGES: Final = 1_000

_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)")
_URL: Final = re.compile(r"(https?)(://[^\s/?#\ud800-\udfff]+([/?#][^\s\ud800-\udfff]*)?)", re.IGNORECASE)

ResultT = TypeVar("ResultT")
Object: TypeAlias = Mapping[str, Json]


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

    def connect(self, progress: Progress) -> "AbstractAsyncContextManager[Conversation]":
        """See `Target.connect`."""
        return connect(self, progress)


class Target(Protocol):
    """What a command talks to; `shown` names it in messages, without what may be a credential."""

    @property
    def shown(self) -> str: ...

    def connect(self, progress: Progress) -> "AbstractAsyncContextManager[Conversation]":
        """A session for the length of a block."""


class Conversation:
    """A session that stands. The SDK's models are kept out of it: they refuse, drop and add members of results."""

    def __init__(self, dispatcher: JSONRPCDispatcher) -> None:
        self._dispatcher: Final = dispatcher

    async def ask(self, method: str, params: Object, on_progress: ProgressFnT | None = None) -> dict[str, Json]:
        """The result of a request, with all its members in their order.

        Raises:
            MCPError: the endpoint answered with an error, or not at all.
        """
        options: CallOptions = {} if on_progress is None else {"on_progress": on_progress}
        return await self._dispatcher.send_raw_request(method, params, options)


def parse_endpoint(url: str, headers: Sequence[str]) -> Endpoint:
    """The endpoint of a command line.

    Raises:
        click.UsageError: the URL or a header is none.
    """
    found = _URL.fullmatch(url)
    if found is None or not (parts := _split(url)).hostname:
        raise click.UsageError(f"The URL must look like {DEFAULT_URL}.")
    if not _has_port(parts):
        raise click.UsageError("The port of the URL must be a number from 1 to 65535.")
    pairs: list[tuple[str, str]] = []
    for position, header in enumerate(headers, 1):
        pair = _HEADER.fullmatch(header.strip())
        if pair is None:
            raise click.UsageError(f"--header number {position} is no header; write it as 'Name: value'.")
        pairs.append((pair[1], pair[2]))
    return Endpoint(found[1].lower() + found[2], tuple(pairs))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def converse(endpoint: Target, work: Callable[[Conversation], Awaitable[ResultT]]) -> ResultT:
    """Runs `work` within one session and returns what it returns.

    Raises:
        CommandError: the endpoint cannot be reached, refuses, or answers with an error; or the command was ended.
        click.ClickException: whatever of that kind `work` raises.
    """
    # The SDK logs what we say better ourselves.
    logging.getLogger().addHandler(logging.NullHandler())
    progress, interruption = Progress(), Interruption()
    try:
        return asyncio.run(_converse(endpoint, work, progress, interruption))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise interruption.error from None
    except (ExceptionGroup, *EXPECTED) as error:
        # The SDK's task groups wrap whatever `work` raises.
        first = first_of(error)
        if isinstance(first, EXPECTED):
            raise explain(first, endpoint.shown, progress) from None
        raise


async def _converse(
    endpoint: Target,
    work: Callable[[Conversation], Awaitable[ResultT]],
    progress: Progress,
    interruption: Interruption,
) -> ResultT:
    try:
        with cancelling_on_interrupt(interruption):
            async with endpoint.connect(progress) as conversation:
                return await work(conversation)
    except Exception:
        _raise_if_cancelled()
        raise


def _raise_if_cancelled() -> None:
    """Cancellation tears the SDK's streams down in no order; what that raises is no news."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from None


@asynccontextmanager
async def connect(endpoint: Endpoint, progress: Progress) -> AsyncIterator[Conversation]:
    """A session whose every request carries the endpoint's headers."""

    async def note(response: httpx2.Response) -> None:
        progress.status = response.status_code

    timeout = httpx2.Timeout(CONNECT_SECONDS, read=ANSWER_SECONDS)
    hooks = {"response": [note]}
    info = Implementation(name="vmcp", version=SOFTWARE_VERSION)
    async with (
        httpx2.AsyncClient(headers=list(endpoint.headers), timeout=timeout, event_hooks=hooks) as http,
        streamable_http_client(endpoint.url, http_client=http, max_sse_event_size=EVENT_BYTES) as streams,
    ):
        dispatcher = JSONRPCDispatcher(*streams)
        async with ClientSession(dispatcher=dispatcher, client_info=info) as session:
            await session.initialize()
            progress.connected = True
            yield Conversation(dispatcher)


async def list_tools(conversation: Conversation) -> "Listing":
    """Every tool; see `list_whole`."""
    return await list_whole(conversation, "tools/list", "tools")


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a whole list, and why entries of some backends may be missing, by the backend's name."""

    entries: tuple[Json, ...]
    missing: Mapping[str, str]


async def list_whole(conversation: Conversation, method: str, key: str) -> Listing:
    """Every entry of a list, page by page, whatever it looks like; `key` is the member that holds them.

    Raises:
        CommandError: what came is no list, or has no end.
    """
    found: list[Json] = []
    cursors: set[str] = set()
    params: Object = {}
    for _ in range(PAGES):
        page = await conversation.ask(method, params)
        entries, cursor = page.get(key), page.get("nextCursor")
        if not isinstance(entries, list):
            raise _no_list(method, f"has no list of {key}")
        found += entries
        if not isinstance(cursor, str) or not cursor:
            return Listing(tuple(found), _missing(page))
        if cursor in cursors:
            raise _no_list(method, "has no end: its nextCursor repeats")
        cursors.add(cursor)
        params = {"cursor": cursor}
    raise _no_list(method, f"has more than {PAGES} pages")


def _missing(page: Object) -> dict[str, str]:
    meta = page.get("_meta")
    outcomes = meta.get(OUTCOMES_KEY) if isinstance(meta, dict) else None
    found = outcomes.items() if isinstance(outcomes, dict) else ()
    return {name: str(each.get("message", "")) for name, each in found if isinstance(each, dict)}


def _no_list(method: str, what: str) -> CommandError:
    return CommandError(Exit.FAILED, f"the answer to {method} {what}")
