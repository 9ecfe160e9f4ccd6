"""A client on the Python SDK 1.30: does what comes on stdin, a JSON object a line, and prints what came of it.

`token` changes what its requests carry, `call` waits for an answer, `begin` does not and `wait` is for what was begun,
`notify` sends a notification. The last line says what ended the connection.
"""

import asyncio
import json
import sys
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

PATIENCE_SECONDS = 30.0


class Bearer(httpx.Auth):
    """A token as a program's own source of them gives it."""

    def __init__(self, token: str) -> None:
        self.token = token

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


async def outcome_of(work) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            result = await work
    except TimeoutError:
        return {"hangs": True}
    except Exception as error:  # noqa: BLE001 - whatever a program would see
        return {"raised": type(error).__name__, "message": str(error)}
    return {"text": result.content[0].text if hasattr(result, "content") else ""}


async def obey(order: dict[str, Any], session: ClientSession, bearer: Bearer, begun: list[asyncio.Task]) -> None:
    match order:
        case {"token": token}:
            bearer.token = token
            say(done=True)
        case {"call": tool}:
            say(**await outcome_of(session.call_tool(tool, {"text": "x" * order.get("letters", 1)})))
        case {"begin": tool}:
            begun.append(asyncio.create_task(outcome_of(session.call_tool(tool, {"waits": True}))))
            say(done=True)
        case {"wait": _}:
            say(**await begun.pop())
        case {"notify": _}:
            say(**await outcome_of(session.send_roots_list_changed()))


async def main(url: str, token: str) -> None:
    bearer = Bearer(token)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with (
        httpx.AsyncClient(auth=bearer, timeout=PATIENCE_SECONDS, trust_env=False) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        say(**await outcome_of(session.initialize()))
        begun: list[asyncio.Task] = []
        while line := await orders.readline():
            await obey(json.loads(line), session, bearer, begun)


def leaves(error: BaseException) -> list[BaseException]:
    inner = getattr(error, "exceptions", None)
    return [error] if inner is None else [leaf for each in inner for leaf in leaves(each)]


try:
    asyncio.run(main(*sys.argv[1:]))
except BaseException as error:  # noqa: BLE001 - as above, in a group
    say(ended=[f"{type(each).__name__}: {each}".splitlines()[0] for each in leaves(error)])
else:
    say(ended=[])
