"""Programs as sessions: shared or owned, slow or silent, and what they say beside their answers."""

import asyncio
import contextlib
import json
import os
import sys
import textwrap

import pytest

from tests.proxy.backends.helpers import Recorder, call, within
from tests.support.raw_client import WAIT_SECONDS, eventually
from tests.support.terms import legacy
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.backends.interface import NOBODY, OWN_TERMS
from vmcp_proxy.backends.programs.pool import ProgramBounds, ProgramPool
from vmcp_proxy.backends.stdio.backend import StdioBackend, StdioSettings
from vmcp_proxy.backends.stdio.program import StdioCommand

PROGRAM = """
import json, os, sys, time

def say(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\\n")
    sys.stdout.flush()

def text(number, said):
    say({"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": said}]}})

held = []
capabilities = None
for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method is None:
        print("reply " + line.strip(), file=sys.stderr, flush=True)
        for each in held:
            text(each, json.dumps(message))
        held.clear()
    elif method == "initialize":
        while os.environ.get("GATE") and not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
        capabilities = params["capabilities"]
        say({"jsonrpc": "2.0", "id": number, "result": {"protocolVersion": os.environ.get("VERSION", "2024-11-05"),
             "capabilities": {"tools": {}}, "serverInfo": {"name": "p", "version": "1"}}})
    elif method == "ping":
        say({"jsonrpc": "2.0", "id": number, "result": {}})
    elif method == "tools/call":
        name = params["name"]
        if name == "who":
            text(number, json.dumps([os.getpid(), capabilities]))
        elif name == "hold":
            held.append(number)
        elif name == "ask":
            held.append(number)
            say({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
        elif name == "hang":
            time.sleep(1000)
        elif name == "endless":
            while True:
                sys.stdout.write("x" * 10000)
        elif name == "bytes":
            sys.stdout.buffer.write(b'\\xff\\xfe\\n{"jsonrpc":"2.0","id":999,"result":{}}\\n')
            sys.stdout.buffer.write(b'{"jsonrpc":"2.0","id":"%dx","result":{}}\\n' % number)
            sys.stdout.flush()
            text(number, "first")
            text(number, "second")
        elif name == "errors":
            sys.stderr.write(os.environ.get("KEY", "") + " and " + "y" * 5000 + "\\n" + "z" * 300000 + "\\n")
            sys.stderr.write("".join(f"line {n}\\n" for n in range(500)))
            sys.stderr.flush()
            text(number, "said")
        else:
            text(number, name)
"""

MUTE = "import sys; sys.stdin.read()"


@contextlib.asynccontextmanager
async def backend(tmp_path, program=PROGRAM, *, patience=10.0, bounds=None, **env):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    settings = StdioSettings(64 << 10, patience, "0", dict(os.environ))
    async with asyncio.TaskGroup() as tasks:
        command = StdioCommand((sys.executable, str(path)), tuple(env.items()))
        pool = ProgramPool(bounds)
        made = StdioBackend("one", command, settings, pool, tasks)
        try:
            yield made
        finally:
            await made.aclose()
            await pool.aclose()
            assert not made._running
            assert not len(pool)


async def who(session):
    return json.loads(await call(session, name="who"))


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.scenario("B-1", "B-2")
async def test_sessions_that_declare_nothing_share_a_program_and_one_that_declares_has_its_own(tmp_path):
    async with backend(tmp_path) as made:
        shared = [await made.open(OWN_TERMS, (), within()) for _ in range(3)]
        own = await asyncio.gather(
            *(made.open(legacy(b'{"roots":{"n":%d}}' % number), (), within()) for number in range(3))
        )
        assert len({(await who(each))[0] for each in shared}) == 1
        said = [await who(each) for each in own]
        assert len({pid for pid, _ in said} | {(await who(shared[0]))[0]}) == 4
        assert [declared for _, declared in said] == [{"roots": {"n": number}} for number in range(3)]
        for session in (shared[0], own[0]):
            await session.close(())
        assert not is_running(said[0][0])
        assert (await who(own[1]))[0] == said[1][0]
        assert await call(shared[1], name="t") == "t"
        with pytest.raises(SessionLostError):
            await call(own[0])
    assert not any(is_running(pid) for pid, _ in said)


async def test_programs_that_cannot_start_leave_no_gap_in_the_count(tmp_path):
    async with backend(tmp_path, "raise SystemExit(3)", bounds=ProgramBounds(most=1)) as made:
        for _ in range(3):
            with pytest.raises(BackendError, match="exit code 3"):
                await made.open(legacy(b'{"roots":{}}'), (), within())


async def test_a_request_of_an_own_program_reaches_its_client_and_one_of_a_shared_program_nobody(tmp_path):
    async with backend(tmp_path) as made:
        own = await made.open(legacy(b'{"roots":{}}'), (), within())
        listener, first, second = Recorder(), Recorder(), Recorder()
        listening = asyncio.create_task(own.listen((), listener))
        holding = asyncio.create_task(call(own, first, name="hold"))
        asking = asyncio.create_task(call(own, second, name="ask"))
        await eventually(lambda: listener.asked)
        request, reply = listener.asked[0]
        await reply(b'{"jsonrpc":"2.0","id":%b,"result":{"roots":[1]}}' % request.id)
        assert json.loads(await holding)["result"] == {"roots": [1]}
        assert json.loads(await asking)["id"] == "q"
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert not first.asked
        assert not second.asked
        shared = await made.open(OWN_TERMS, (), within())
        assert json.loads(await call(shared, first, name="ask"))["error"]["code"] == -32601
        assert not first.asked


@pytest.mark.scenario("B-3")
async def test_a_program_that_hangs_fails_who_waits_and_is_there_once_it_has_come_up(tmp_path):
    gate = tmp_path / "gate"
    async with backend(tmp_path, patience=0.3, GATE=str(gate)) as made:
        async with asyncio.timeout(WAIT_SECONDS):
            with pytest.raises(BackendError, match="not come up yet") as failed:
                await made.open(OWN_TERMS, (), within(600))
        assert failed.value.category is Category.TIMEOUT
        with pytest.raises(BackendError):
            await made.open(OWN_TERMS, (), within(0.01))
        gate.touch()
        await eventually(lambda: not made._shared.is_starting)
        session = await made.open(OWN_TERMS, (), within())
        assert await call(session, name="t") == "t"
        assert len(made._running) == 1


async def test_a_program_that_never_comes_up_ends_with_its_backend(tmp_path):
    async with asyncio.timeout(WAIT_SECONDS), backend(tmp_path, MUTE, patience=0.05) as made:
        with pytest.raises(BackendError):
            await made.open(OWN_TERMS, (), within())
        with pytest.raises(BackendError):
            await made.open(legacy(b'{"roots":{}}'), (), within(0.05))
        assert len(made._running) == 1
    with pytest.raises(BackendError):
        await made.open(OWN_TERMS, (), within())


@pytest.mark.scenario("B-3")
async def test_a_program_that_hangs_in_a_call_fails_a_probe_in_time(tmp_path):
    async with backend(tmp_path) as made:
        session = await made.open(OWN_TERMS, (), within())
        hanging = asyncio.create_task(call(session, name="hang", seconds=60))
        await asyncio.sleep(0)
        with pytest.raises(BackendError) as failed:
            await session.request(session.next_id(), "ping", None, (), within(0.3), Recorder())
        assert failed.value.category is Category.TIMEOUT
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)


async def test_a_reload_lets_calls_finish_before_it_ends_their_program(tmp_path):
    async with backend(tmp_path) as made:
        session = await made.open(OWN_TERMS, (), within())
        pid, _ = await who(session)
        calling = asyncio.create_task(call(session, name="hold"))
        listing = asyncio.create_task(session.request(session.next_id(), "tools/list", None, (), within(), NOBODY))
        await asyncio.sleep(0)
        closing = asyncio.create_task(made.aclose())
        await eventually(lambda: session._session._conversation._idle is not None)
        with pytest.raises(BackendError):
            await made.open(OWN_TERMS, (), within())
        assert is_running(pid)
        await session._session.send(b'{"jsonrpc":"2.0","id":1,"result":{}}', ())
        assert json.loads(await calling)["id"] == 1
        await closing
        assert not is_running(pid)
        with pytest.raises(BackendError, match="not running"):
            await listing


async def test_what_a_wrapper_has_started_ends_with_it(tmp_path):
    child = "import time, os; print(os.getpid(), flush=True); time.sleep(1000)"
    wrapper = f"""
    import subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    sys.stderr.write("")
    open({str(tmp_path / "pid")!r}, "w").write(child.stdout.readline().decode())
    """
    async with backend(tmp_path, textwrap.dedent(wrapper) + textwrap.dedent(PROGRAM)) as made:
        await made.open(OWN_TERMS, (), within())
        pid = int((tmp_path / "pid").read_text())
        assert is_running(pid)
    await eventually(lambda: not is_running(pid) or _is_zombie(pid))


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a file of the kernel
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.scenario("B-4")
async def test_a_line_without_end_ends_the_program_with_an_error_and_the_next_call_has_a_new_one(tmp_path):
    async with backend(tmp_path) as made:
        session = await made.open(OWN_TERMS, (), within())
        with pytest.raises(BackendError) as failed:
            await call(session, name="endless")
        assert failed.value.category is Category.NOT_RUNNING
        again = await made.open(OWN_TERMS, (), within())
        assert await call(again, name="t") == "t"


@pytest.mark.scenario("B-4")
async def test_bytes_that_are_no_text_wrong_ids_and_a_second_answer_harm_nobody(tmp_path):
    async with backend(tmp_path) as made:
        session = await made.open(OWN_TERMS, (), within())
        assert await call(session, name="bytes") == "first"
        assert await call(session, name="t") == "t"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_programs_of_every_revision_are_spoken_to(tmp_path, version):
    async with backend(tmp_path, VERSION=version) as made:
        session = await made.open(OWN_TERMS, (), within())
        assert session.hello.version == version
        assert await call(session, name="t") == "t"
