"""A stream of an attachment: bounded, in order, and ended once."""

import asyncio

import pytest

from vmcp_proxy.backends.attached.pipe import Pipe


async def test_what_is_fed_comes_out_in_order_and_then_the_end():
    pipe = Pipe()
    for chunk in (b"abc", b"", b"defgh"):
        await pipe.feed(chunk)
    pipe.end()
    await pipe.feed(b"too late")
    assert [await pipe.read(4) for _ in range(4)] == [b"abc", b"defg", b"h", b""]
    assert await pipe.read(4) == b""


async def test_a_full_one_holds_up_who_feeds_it_until_it_is_read():
    pipe = Pipe(most_bytes=4)
    await pipe.feed(b"abcde")
    feeding = asyncio.create_task(pipe.feed(b"f"))
    await asyncio.sleep(0)
    assert not feeding.done()
    assert await pipe.read(2) == b"ab"
    await feeding
    assert await pipe.read(9) == b"cde"
    assert await pipe.read(9) == b"f"


@pytest.mark.parametrize("ends", [True, False])
async def test_the_end_frees_whoever_waits(ends):
    pipe = Pipe(most_bytes=1)
    await pipe.feed(b"a")
    feeding = asyncio.create_task(pipe.feed(b"b"))
    await asyncio.sleep(0)
    if ends:
        pipe.end()
        await feeding
        assert await pipe.read(9) == b"a"
        assert await pipe.read(9) == b""
    else:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        assert await pipe.read(9) == b"a"
