"""The stream of an answer under any order of messages, stuck connections and clients that come back."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.clients.streaming.event_log import MOST_EVENTS, Budget, EventLog
from vmcp_proxy.protocol.sse import SseParser
from vmcp_proxy.serve.legacy import answer_stream
from vmcp_proxy.serve.legacy.answer_stream import AnswerStream


class Response:
    """A response whose client reads while `gate` is open; what is written meanwhile waits."""

    def __init__(self):
        self.response_complete = False
        self.has_gone = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.events = []
        self.answer = None
        self._parser = SseParser(1 << 20)

    async def respond(self, status, body):
        self.answer = (status, body)

    async def start_stream(self):
        await self.gate.wait()

    def waiting(self, _size):
        return contextlib.nullcontext()

    async def write(self, chunk):
        await self.gate.wait()
        self.events += self._parser.feed(chunk)

    async def finish(self):
        self.response_complete = True
        await self.gate.wait()


class Client:
    """Keeps what it got and goes on after its last event."""

    def __init__(self, stream, first):
        self.stream = stream
        self.response = first
        self.tasks = []
        self._got = []

    def take(self):
        for event in self.response.events:
            assert event.id.endswith(b".end") == (event.data == b"answer")
            sequence = int(event.id.removesuffix(b".end").rpartition(b".")[2], 16)
            assert not self._got or sequence > self._got[-1][0], "in order, and once"
            self._got.append((sequence, event.data))
        self.response.events = []

    @property
    def messages(self):
        return [data for _, data in self._got if data]

    def resume(self):
        self.take()
        if self._got:
            self.response = Response()
            coming = self.stream.resume(self.response, b"1", self._got[-1][0])
            self.tasks.append(asyncio.create_task(coming))


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def play(steps, *, primes):
    own = Response()
    stream = AnswerStream(own, b"p.1.MQ.", EventLog(Budget(), "one"), primes=primes)
    client = Client(stream, own)
    senders, said = [], []
    for step in (*steps, "resume"):
        if step == "say":
            said.append(b"%d" % len(said))
            senders.append(asyncio.create_task(stream.send(said[-1])))
        elif step == "comment":
            senders.append(asyncio.create_task(stream.comment()))
        elif step == "stick":
            client.response.gate.clear()
        elif step == "leave":
            stream.leave(client.response)
        else:
            client.resume()
        await settle()
    client.response.gate.set()
    finishing = asyncio.create_task(stream.finish(b"answer"))
    await settle()
    if client.tasks:
        client.resume()
    async with asyncio.timeout(30):
        await asyncio.gather(finishing, *senders, *client.tasks)
    client.take()
    return client.messages, said, own.answer


@pytest.mark.scenario("P-10")
@given(st.lists(st.sampled_from(["say", "say", "comment", "stick", "leave", "resume"]), max_size=12), st.booleans())
def test_a_client_that_comes_back_gets_every_message_once_in_order_and_the_answer_last(steps, primes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer_stream, "_END_SECONDS", 0.001)
        got, said, plain = asyncio.run(play(steps, primes=primes))
    if "say" in steps or "comment" in steps:
        assert (got, plain) == ([*said, b"answer"], None)
    else:
        assert (got, plain) == ([], (200, b"answer"))


async def test_a_resumed_stream_that_is_given_up_ends():
    own = Response()
    stream = AnswerStream(own, b"p.1.MQ.", EventLog(Budget(), "one"), primes=True)
    await stream.send(b"1")
    resumed = asyncio.create_task(stream.resume(Response(), b"1", 1))
    await settle()
    assert not resumed.done()
    stream.abandon()
    async with asyncio.timeout(30):
        await resumed
    late = Response()
    async with asyncio.timeout(30):
        await stream.resume(late, b"1", 1)
    assert b'"code":-32603' in late.events[0].data
    assert late.events[0].id.endswith(b".end")
    await stream.send(b"2")
    await stream.finish(b"3")
    assert len(late.events) == 1


async def test_a_question_that_gives_way_while_its_client_is_away_says_so_and_one_that_was_given_does_not():
    own = Response()
    stream = AnswerStream(own, b"p.1.MQ.", EventLog(Budget(), "one"), primes=True)
    dropped = []
    await stream.send(b"given", lambda: dropped.append("given"))
    own.has_gone = True
    await stream.send(b"lost", lambda: dropped.append("lost"))
    for _ in range(MOST_EVENTS):
        await stream.send(b"later", lambda: dropped.append("later"))
    assert dropped[0] == "lost"
    dropped.clear()
    back = Response()
    resumed = asyncio.create_task(stream.resume(back, b"1", 2))
    await settle()
    assert back.events[-1].data == b"later"
    await stream.send(b"more")
    assert not dropped, "the client has been given what stood in its place"
    stream.abandon()
    async with asyncio.timeout(30):
        await resumed
    assert not dropped


async def test_a_question_on_a_stream_that_keeps_nothing_still_goes_out():
    own = Response()
    log = EventLog(Budget(), "one")
    stream = AnswerStream(own, b"", log, primes=True)
    stream.close()
    dropped = []
    await stream.send(b"question", lambda: dropped.append("question"))
    assert [event.data for event in own.events] == [b"question"]
    assert not dropped
