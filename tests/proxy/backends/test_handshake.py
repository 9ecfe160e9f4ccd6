"""What a backend says of itself: held once, for as long as a session holds it."""

import gc

from tests.proxy.backends.helpers import CLIENT_HEADERS, HELLO, streamable_backend, within
from tests.support.raw_server import RawServer
from vmcp_proxy.backends.handshake import SharedHello
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.protocol.initialize import ServerHello


def hello(instructions: str) -> ServerHello:
    return ServerHello("2025-11-25", frozenset({"tools"}), instructions)


async def test_sessions_of_one_backend_hold_what_it_says_of_itself_once():
    async def handle(asked):
        if asked.method == "initialize":
            await asked.result({**HELLO, "instructions": "Ask one thing at a time."}, mcp_session_id="s-1")
        else:
            await asked.status(202)

    async with streamable_backend(RawServer(handle)) as backend:
        first, second = [await backend.open(OWN_TERMS, CLIENT_HEADERS, within()) for _ in range(2)]
        assert first.hello.instructions == "Ask one thing at a time."
        assert second.hello is first.hello
        assert backend.resume(first.token).hello == backend.resume(second.token).hello


def test_what_differs_is_held_by_each():
    shared = SharedHello()
    one, other = shared.of(hello("for Alice")), shared.of(hello("for Bob"))
    assert (one.instructions, other.instructions) == ("for Alice", "for Bob")
    assert shared.of(hello("for Bob")) is other


def test_nothing_is_held_of_a_backend_that_no_session_is_open_with():
    shared = SharedHello()
    held = shared.of(hello("a caller's own header"))
    assert shared._latest() is held
    del held
    gc.collect()
    assert shared._latest() is None
