"""What the tests of resumed streams share."""

import asyncio
import json

from tests.support.raw_client import Stream
from tests.support.scripted_backend import ScriptedBackend, text

CUSTOM = "notifications/x-custom"
PROGRESS = "notifications/progress"
LOST = -32603


class Steps:
    """A backend whose tool makes a step whenever a test says so, and ends on `end`."""

    def __init__(self):
        self.backend = ScriptedBackend()
        self.come = asyncio.Event()
        self.steps: asyncio.Queue[int | str] = asyncio.Queue()
        self.backend.on("tools/call")(self._call)

    async def _call(self, call):
        self.come.set()
        while isinstance(step := await self.steps.get(), int):
            await call.notify(CUSTOM, k=step)
        return text(step)


def numbers(stream: Stream) -> list[int]:
    return [message["params"]["k"] for message in stream.messages if message.get("method") == CUSTOM]


def answer_of(stream: Stream) -> dict:
    (answer,) = [message for message in stream.messages if "method" not in message]
    return answer


def say(world, k: int) -> None:
    """A message for the session's own stream."""
    held = world.inside.client
    message = {"jsonrpc": "2.0", "method": CUSTOM, "params": {"k": k}}
    held.stream.outbox.put(json.dumps(message).encode())


def stream_headers(client) -> dict[str, str]:
    return {"accept": "text/event-stream", "mcp-session-id": client.session}
