"""Scripts go to Redis by their digests, and as texts where it does not know them."""

import pytest

from tests.proxy.sessions.pods import redis_store
from tests.support.redis_server import Monitor
from vmcp_proxy.sessions.store import redis_scripts
from vmcp_proxy.sessions.store.protocol import End, Found, Presence, Times, Touch
from vmcp_proxy.sessions.store.record import SessionRecord

DIGESTS = tuple(f"{number:064x}" for number in range(3))
RECORD = SessionRecord(b"binding", b"print", "2025-11-25", b"{}")
NEW = Times(age=0.0, idle=0.0, left=3600.0)
TOUCHES = [Touch(digest, 0.0) for digest in DIGESTS]


@pytest.fixture
async def store(own_redis):
    made = redis_store(own_redis)
    for digest in DIGESTS:
        assert await made.create(digest, RECORD, NEW, 60.0) is Presence.LIVE
    yield made
    await made.aclose()


def texts(lines):
    """The commands that had a script's text."""
    return [line for line in lines if b'"EVAL"' in line]


async def test_the_text_of_a_script_goes_to_redis_once_whether_one_asks_or_many_do(store, own_redis):
    async with Monitor(own_redis) as monitor:
        for _ in range(3):
            assert isinstance(await store.load(DIGESTS[0]), Found)
        assert len(texts(await monitor.lines())) == 1
        for _ in range(3):
            await store.touch(TOUCHES, 60.0)
        assert len(texts(await monitor.lines())) == 1 + len(TOUCHES)
        touched = b"".join(line for line in await monitor.lines() if b'"EVALSHA"' in line)
        assert touched.count(redis_scripts.TOUCH.digest.encode()) == 3 * len(TOUCHES)


async def test_a_redis_that_has_forgotten_the_scripts_is_sent_them_again(store, own_redis):
    for _ in range(2):
        assert own_redis.command("SCRIPT", "FLUSH") == b"+OK\r\n"
        assert isinstance(await store.load(DIGESTS[0]), Found)
        assert await store.touch(TOUCHES, 60.0) == (Presence.LIVE,) * 3
    own_redis.command("SCRIPT", "FLUSH")
    await store.end([End(digest, 100.0) for digest in DIGESTS])
    assert await store.touch(TOUCHES, 60.0) == (Presence.ENDED,) * 3
    assert store.state.available
