"""A session's own stream without a socket: who reads what."""

import asyncio

import pytest

from vmcp_proxy.clients.streaming.streams import Replay


async def read(reader, count: int) -> list[bytes]:
    async with asyncio.timeout(30):
        return [(await reader.next())[1] for _ in range(count)]


@pytest.mark.scenario("P-10")
async def test_messages_wait_for_the_first_reader_and_equal_ones_coalesce_on_request():
    outbox = Replay().outbox("one")
    assert not outbox.is_listening
    first = outbox.put(b"changed", coalesce=True)
    outbox.put(b"other")
    assert outbox.put(b"changed", coalesce=True) == first
    outbox.put(b"other")
    reader = outbox.open(None)
    assert outbox.is_listening
    assert reader.mark() is None
    assert await read(reader, 3) == [b"changed", b"other", b"other"]
    assert outbox.put(b"changed", coalesce=True) != first


@pytest.mark.scenario("P-10")
async def test_a_new_reader_takes_over_and_the_old_one_ends():
    outbox = Replay().outbox("one")
    old = outbox.open(None)
    waiting = asyncio.create_task(old.next())
    await asyncio.sleep(0)
    new = outbox.open(None)
    assert await waiting is None
    assert old.is_closed
    old.close()
    assert outbox.is_listening, "the old one's end is none of the new one's"
    outbox.put(b"a")
    assert await read(new, 1) == [b"a"]
    assert await old.next() is None


@pytest.mark.scenario("P-10")
async def test_a_reader_may_go_back_but_not_into_what_was_never_sent():
    outbox = Replay().outbox("one")
    sent = [outbox.put(b"%d" % number) for number in range(4)]
    assert await read(outbox.open(None), 3) == [b"0", b"1", b"2"]
    assert await read(outbox.open(sent[0]), 3) == [b"1", b"2", b"3"]
    assert await read(outbox.open(0), 4) == [b"0", b"1", b"2", b"3"]
    future = outbox.open(99)
    outbox.put(b"4")
    assert await read(future, 1) == [b"4"]


@pytest.mark.scenario("P-10")
async def test_a_mark_is_a_place_of_its_own():
    outbox = Replay().outbox("one")
    first = outbox.open(None).mark()
    second = outbox.open(None).mark()
    outbox.put(b"a")
    outbox.put(b"b")
    reader = outbox.open(None)
    assert first < second < (await reader.next())[0]
    assert await read(outbox.open(first), 2) == [b"a", b"b"]
    assert await read(outbox.open(second), 2) == [b"a", b"b"]


async def test_a_finish_lets_the_reader_have_what_waits_and_a_close_does_not():
    outbox = Replay().outbox("one")
    outbox.put(b"a")
    reader = outbox.open(None)
    outbox.finish()
    assert await read(reader, 1) == [b"a"]
    assert await reader.next() is None
    replay = Replay()
    outbox = replay.outbox("one")
    outbox.put(b"a")
    reader = outbox.open(None)
    outbox.close()
    assert await reader.next() is None
    assert not outbox.is_listening
    assert (len(outbox), replay.budget.used) == (0, 0)
    assert await outbox.open(None).next() is None


@pytest.mark.scenario("P-10")
async def test_what_was_taken_back_is_neither_delivered_nor_replayed():
    outbox = Replay().outbox("one")
    outbox.put(b"a")
    ticket = outbox.put(b"question")
    outbox.put(b"b")
    assert outbox.discard(ticket)
    reader = outbox.open(None)
    assert await read(reader, 2) == [b"a", b"b"]
    given = outbox.put(b"question")
    assert await read(reader, 1) == [b"question"]
    assert not outbox.discard(given), "the client has it and has to be told"
    again = outbox.open(0)
    outbox.put(b"c")
    assert await read(again, 3) == [b"a", b"b", b"c"]
