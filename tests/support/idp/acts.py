"""What an endpoint of the identity provider does instead of its duty."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.raw_server import Asked, HangUp

Answer = Callable[[], Awaitable[None]]
Act = Callable[[Asked, Answer], Awaitable[None]]
"""Gets a request and what gives the usual answer to it."""


def says(status: int, body: Any = b"", kind: str = "application/json", **headers: str) -> Act:
    """One answer, whatever was asked: bytes as they are, everything else as JSON."""

    async def act(asked: Asked, _: Answer) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await asked.status(status, raw, kind, **headers)

    return act


def oauth_error(code: str, description: str = "", status: int = 400) -> Act:
    """An error of the token endpoint (RFC 6749 section 5.2)."""
    return says(status, {"error": code} | ({"error_description": description} if description else {}))


def huge(size: int) -> Act:
    """A JSON object of so many bytes and a few more."""
    return says(200, b'{"keys": [], "active": true, "access_token": "t", "x": "' + b"x" * size + b'"}')


def slow(until: asyncio.Event) -> Act:
    """The usual answer, but not before an event."""

    async def act(_: Asked, answer: Answer) -> None:
        await until.wait()
        await answer()

    return act


async def hang_up(_: Asked, __: Answer) -> None:
    """Closes the connection without a word."""
    raise HangUp


def once(act: Act, times: int = 1) -> Act:
    """Does it for the first requests, and its duty from then on."""
    left = times

    async def counting(asked: Asked, answer: Answer) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            await answer()
        else:
            await act(asked, answer)

    return counting
