"""A process behind an attachment that answered once and then says nothing any more."""

import asyncio
import contextlib
import sys
from functools import partial

import pytest

from tests.proxy.bridge.test_bridge import bridging, ready
from tests.support import stdio_server
from tests.support.attach_server import AttachServer
from tests.support.raw_client import WAIT_SECONDS, RawClient, eventually
from tests.support.serving import url_of
from vmcp_api.spec.operational import FailureHandling
from vmcp_proxy.backends.attached.backend import AttachedBackend, AttachSettings
from vmcp_proxy.backends.attached.pipe import Pipe
from vmcp_proxy.backends.attached.session import AttachedSession
from vmcp_proxy.backends.attached.silence import Silence
from vmcp_proxy.backends.budget import UNCOUNTED_BYTES, ReadBudget
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import NOBODY, OWN_TERMS, Nobody
from vmcp_proxy.backends.programs.stderr import Stderr
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.methods import LISTEN

STAYS = (sys.executable, stdio_server.__file__, "stays")
A_CLIENT = Nobody()
SOON = 0.05


@contextlib.asynccontextmanager
async def attached(server: AttachServer, folder, silence: float = 1.0, hello: float = WAIT_SECONDS):
    """What is behind an attachment, and its session, once it is initialised.

    `hello` is what the next process has for its start.
    """
    async with server.running(), asyncio.TaskGroup() as tasks:
        settings = AttachSettings(1 << 20, WAIT_SECONDS, "1", attach=WAIT_SECONDS, hello_again=hello, silence=silence)
        backend = AttachedBackend("one", server.pod(folder), settings, tasks)
        yield backend, await opened(backend)
        await backend.aclose()


async def opened(backend):
    return await backend.open(OWN_TERMS, (), after(WAIT_SECONDS))


def after(seconds: float) -> Deadline:
    return Deadline.after(asyncio.get_running_loop().time(), seconds)


async def ping(session, seconds: float = SOON) -> None:
    await session.request(session.next_id(), "ping", None, (), after(seconds), NOBODY)


async def echo(session, delay: int, seconds: float) -> None:
    body = b'{"name":"echo","arguments":{"text":"x","after":%d}}' % delay
    await session.request(session.next_id(), "tools/call", body, (), after(seconds), A_CLIENT)


async def asked_in_vain(session, server: AttachServer) -> None:
    """Asks on until its pod is replaced."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not server.deleted:
            with contextlib.suppress(BackendError):
                await ping(session)


async def answers_again(backend) -> None:
    """Waits for an answer; on a busy machine the next process may be taken for a silent one as well."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with contextlib.suppress(BackendError):
                await ping(await opened(backend), WAIT_SECONDS)
                return


@pytest.mark.scenario("K-18")
async def test_a_process_whose_input_ended_after_it_was_initialised_is_replaced(tmp_path):
    server = AttachServer(STAYS)
    async with attached(server, tmp_path) as (backend, session):
        await ping(session, WAIT_SECONDS)
        server.end_input()
        await asked_in_vain(session, server)
        await answers_again(backend)
        assert len(server.processes) > 1


@pytest.mark.scenario("K-18")
@pytest.mark.parametrize("silence", [1.0, 4.0], ids=["at the first look", "once it is unhealthy"])
async def test_the_looks_of_a_bridge_at_its_process_find_that_it_is_silent(tmp_path, monkeypatch, silence):
    quick = partial(FailureHandling, health_check_timeout=0.5)
    monkeypatch.setattr("vmcp_proxy.cli.bridge.config.FailureHandling", quick)
    monkeypatch.setattr("vmcp_proxy.cli.bridge.config._PROBE_SECONDS", 0.5)
    monkeypatch.setattr("vmcp_proxy.run.parts.members.AttachSettings", partial(AttachSettings, silence=silence))
    async with AttachServer(STAYS).running() as server, bridging(server, tmp_path) as proxy:
        await ready(proxy)
        server.end_input()
        await eventually(lambda: server.deleted and len(server.processes) > 1)
        await ready(proxy)
        async with RawClient(url_of(proxy)) as client:
            await client.open()
            async with asyncio.timeout(WAIT_SECONDS):
                # On a busy machine the next one may be silent for so long as well.
                while (await client.call("echo", {"text": "new"}))["content"][0]["text"] != "new":
                    await ready(proxy)


async def test_it_is_asked_whether_it_is_there_however_many_requests_wait_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.attached.session.MOST_OPEN", 1)
    async with attached(AttachServer(STAYS), tmp_path, silence=WAIT_SECONDS) as (_, session):
        calling = asyncio.create_task(echo(session, 1, WAIT_SECONDS))
        await asyncio.sleep(0)
        with pytest.raises(BackendError, match="takes no more"):
            await echo(session, 0, WAIT_SECONDS)
        await ping(session, WAIT_SECONDS)
        await calling


async def test_clients_that_go_on_calling_it_do_not_keep_it(tmp_path):
    server = AttachServer(STAYS)
    async with attached(server, tmp_path) as (_, session):
        server.end_input()
        with pytest.raises(BackendError):
            await ping(session)
        calling = asyncio.create_task(echo(session, 0, WAIT_SECONDS))
        await asked_in_vain(session, server)
        with pytest.raises(BackendError, match="not known"):
            await calling


async def test_one_that_can_be_replaced_by_nobody_is_attached_to_again(tmp_path, caplog):
    server = AttachServer(STAYS)
    async with attached(server, tmp_path, hello=0.5) as (backend, session):
        server.end_input()
        (tmp_path / "token").unlink()
        async with asyncio.timeout(WAIT_SECONDS):
            while "process is silent" not in caplog.text:
                with contextlib.suppress(BackendError):
                    await ping(session)
            (said,) = (each for each in caplog.records if each.getMessage().startswith("process is silent"))
            assert "token of the ServiceAccount cannot be read" in said.vmcp_fields["outcome"]
            server.pod(tmp_path)
            await answers_again(backend)


def test_silence_is_final_once_the_bound_has_passed_since_it_was_asked_something():
    silence = Silence(60)
    silence.listens(900)
    assert not silence.is_final(1000)
    silence.asked(1000, 1000)
    silence.asked(1040, 1040)
    assert not silence.is_final(1059)
    assert silence.is_final(1060)


def test_a_word_of_any_kind_begins_the_bound_anew():
    silence = Silence(60)
    silence.asked(1000, 1000)
    silence.heard()
    silence.listens(1050)
    assert not silence.is_final(1109)
    assert silence.is_final(1110)
    silence.answered(1000)
    assert not silence.is_final(2000)
    silence.asked(2000, 2000)
    assert not silence.is_final(2059)
    assert silence.is_final(2060)


def test_one_that_is_not_read_is_not_silent_and_has_the_whole_bound_once_it_is_read():
    silence = Silence(60)
    silence.listens(900)
    silence.heard()
    silence.asked(1000, 1000)
    assert not silence.is_final(5000)
    silence.listens(5000)
    assert not silence.is_final(5059)
    assert silence.is_final(5060)


class Looks(Silence):
    """Is looked at as if so much more time had passed; counts the looks and the words."""

    def __init__(self):
        super().__init__(0.08)
        self.ahead = 0.0
        self.looks = self.words = 0

    def heard(self):
        super().heard()
        self.words += 1

    def is_final(self, now):
        self.looks += 1
        return super().is_final(now + self.ahead)


class Attachment:
    """A stream to a process whose words the test feeds."""

    verdict = ""

    def __init__(self):
        self.stdout, self.stderr = Pipe(), Pipe()
        self.written = b""
        self._is_over = asyncio.Event()

    async def run(self):
        await self._is_over.wait()

    async def write(self, data):
        self.written += data

    async def aclose(self):
        self.stdout.end()
        self.stderr.end()
        self._is_over.set()


class Unread(Attachment):
    """A stream to a process that reads nothing."""

    async def write(self, data):
        await self._is_over.wait()


@contextlib.asynccontextmanager
async def fed(budget: ReadBudget, method: str = "ping"):
    """A session whose process says what is fed, what it is looked at by, and the sessions that were found silent.

    The process has been asked something by the method.
    """
    stream, silence, found = Attachment(), Looks(), []
    stderr = Stderr("one", Masks(()))
    session = AttachedSession("one", stream, 1 << 20, stderr, budget, silence, found.append)
    session.hello = ServerHello("2025-06-18", frozenset(), None)
    running = asyncio.create_task(session.run())
    asking = asyncio.create_task(session.request(1, method, None, (), after(WAIT_SECONDS), NOBODY))
    await eventually(lambda: stream.written)
    try:
        yield stream, silence, found
    finally:
        await session.detach()
        await asyncio.gather(running, asking, return_exceptions=True)


async def looked_at_later(silence: Looks, times: int = 3) -> None:
    before, silence.ahead = silence.looks, 3600.0
    await eventually(lambda: silence.looks >= before + times)


async def test_one_that_has_answered_one_question_and_leaves_another_is_silent_though_nobody_asks_again():
    async with fed(ReadBudget()) as (stream, silence, found):
        silence.asked(-1, 0.0)
        await stream.stdout.feed(b'{"jsonrpc":"2.0","id":1,"result":{}}\n')
        await eventually(lambda: silence.words)
        silence.ahead = 3600.0
        await eventually(lambda: found)


async def test_a_stream_that_waits_for_news_is_no_question_that_is_left():
    async with fed(ReadBudget(), LISTEN) as (_, silence, found):
        await looked_at_later(silence)
        assert not found


async def test_a_part_of_a_line_is_a_word_too():
    async with fed(ReadBudget()) as (stream, silence, _):
        await stream.stdout.feed(b'{"jsonrpc"')
        await eventually(lambda: silence.words)


async def test_one_that_is_not_read_because_clients_do_not_read_is_not_silent_until_it_is_read_again():
    budget = ReadBudget()
    budget.limit(-1)
    async with fed(budget) as (stream, silence, found):
        await stream.stdout.feed(b"x" * (UNCOUNTED_BYTES + 1))
        await eventually(lambda: budget.is_held_back)
        silence.asked(-1, 0.0)
        await looked_at_later(silence)
        assert not found
        budget.limit(0)
        await eventually(lambda: not budget.is_held_back)
        silence.asked(-2, 0.0)
        await eventually(lambda: found)


async def test_one_that_does_not_read_has_not_ended(monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.attached.session._WRITE_SECONDS", 0.05)
    session = AttachedSession("one", Unread(), 1 << 20, Stderr("one", Masks(())), ReadBudget(), Looks(), print)
    with pytest.raises(BackendError, match="it does not read what it is sent") as failed:
        await ping(session, WAIT_SECONDS)
    assert failed.value.category is Category.TIMEOUT


def test_a_call_that_came_before_the_question_is_waited_for_and_later_ones_are_not():
    silence = Silence(60)
    silence.listens(900)
    silence.called(1, 990)
    silence.asked(1000, 1000)
    silence.called(2, 1010)
    assert not silence.is_final(1500)
    silence.over(1)
    assert silence.is_final(1500)
