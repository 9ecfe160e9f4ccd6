"""The stream of what a client hears of a backend of the modern era, while it changes hands."""

import asyncio

import msgspec
import pytest

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import NOBODY
from vmcp_proxy.backends.modern.listening import Listening

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
WANTED = {"uri": msgspec.Raw(b'"test://a"')}


class Streams:
    """A server that acknowledges the first stream alone, and cannot be reached any more when a stream is given up."""

    def __init__(self) -> None:
        self.opened = 0
        self.open = 0

    async def receive(self, _wanted, _headers, receiver) -> bool:
        self.opened += 1
        self.open += 1
        try:
            if self.opened == 1:
                await receiver.on_notification(ACKNOWLEDGED, None)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise BackendError("one", Category.UNREACHABLE) from None
        finally:
            self.open -= 1
        return True


@pytest.mark.scenario("P-9")
@pytest.mark.parametrize("times", [1, 2])
async def test_who_stops_to_listen_between_two_streams_leaves_neither_open(times):
    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    streams = Streams()
    listening = Listening(frozenset({"resources"}), streams.receive)
    running = asyncio.create_task(listening.run((), NOBODY))
    while not streams.open:  # noqa: ASYNC110 - the server takes no time
        await asyncio.sleep(0)
    wanting = asyncio.create_task(
        listening.want(dict(WANTED), is_wanted=True, deadline=Deadline.after(loop.time(), 9.0))
    )
    while streams.open < 2:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    for _ in range(times):
        running.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(running, return_exceptions=True)
    wanting.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert streams.open == 0
    assert told == []
