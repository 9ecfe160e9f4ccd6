"""Heads of requests are bounded in size, however they arrive."""

import pytest

from tests.proxy.serve.harness import call, exchange
from tests.proxy.serve.parts import in_parts
from tests.proxy.serve.test_http_protocol import request
from vmcp_proxy.serve.http.limits import MAX_HEAD_BYTES

CLOSE = b"connection: close"


def padded(size: int) -> bytes:
    """A last request whose head has this size."""
    whole = request(call(), CLOSE, b"x-pad: ")
    missing = size - whole.index(b"\r\n\r\n") - 4
    return request(call(), CLOSE, b"x-pad: " + b"a" * missing)


@pytest.mark.scenario("X-1")
async def test_a_head_that_is_too_large_is_refused_also_when_it_arrives_at_once(world):
    async def never(context):
        raise AssertionError

    world.dispatch = never
    async with world.serving():
        for size in (MAX_HEAD_BYTES + 1024, 100_000, 200_000):
            whole = padded(size)
            for parts in ((whole,), (whole[:50_000], whole[50_000:]), (whole[:20], whole[20:])):
                answer = await in_parts(world.port, *parts)
                assert answer.startswith(b"HTTP/1.1 431 "), (size, len(parts))
                assert b"200 OK" not in answer


@pytest.mark.scenario("X-1")
async def test_many_small_fields_are_as_large_as_a_large_one(world):
    async with world.serving():
        fields = [b"x-%d: %b" % (number, b"a" * 10) for number in range(6000)]
        assert (await exchange(world.port, request(call(), CLOSE, *fields))).startswith(b"HTTP/1.1 431 ")
        assert (await exchange(world.port, request(call(), CLOSE, *fields[:1000]))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.scenario("X-1")
async def test_a_head_of_nearly_the_bound_is_fine_however_much_comes_with_it(world):
    async with world.serving():
        large, last = request(call(text="x" * 60_000)), padded(MAX_HEAD_BYTES - 100)
        for parts in (
            (last,),
            (large + last,),
            (large, last),
            (large[:-9], large[-9:] + last),
            (last[:999], last[999:]),
        ):
            answer = await in_parts(world.port, *parts)
            assert answer.count(b"HTTP/1.1 200 OK") == 1 + (
                parts[0][:9] == large[:9] and len(b"".join(parts)) > len(last)
            )
        half = large + last[: MAX_HEAD_BYTES // 2]
        assert (await in_parts(world.port, half, last[MAX_HEAD_BYTES // 2 :])).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.scenario("X-1")
async def test_blank_lines_before_a_request_are_no_way_around_the_bound(world):
    async with world.serving():
        assert b" 431 " in await in_parts(world.port, b"\r\n" * MAX_HEAD_BYTES)
        assert b" 200 " in await in_parts(world.port, b"\r\n", request(call(), CLOSE))


@pytest.mark.scenario("C-3", "C-5")
async def test_a_repeated_host_is_refused(world):
    async with world.serving():
        for second in (b"host: x", b"Host: y"):
            answer = await exchange(world.port, request(call(), second, CLOSE))
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"Host" in answer
    assert world.scrape()['vmcp_http_rejected_total{layer="header_validation",status="400"}'] == 2
