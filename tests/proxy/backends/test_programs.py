"""Programs apart from what is spoken with them: what they inherit and say, how many run, when they end."""

import asyncio
import contextlib
import logging
import os

import pytest

from tests.proxy.backends.helpers import Recorder, call, within
from tests.proxy.backends.test_stdio import backend, who
from tests.support.programs import is_running
from tests.support.raw_client import eventually
from tests.support.terms import legacy
from vmcp_proxy.backends.credentials import NO_CREDENTIALS
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.backends.interface import NOBODY, OWN_TERMS
from vmcp_proxy.backends.link import Link
from vmcp_proxy.backends.programs.environment import inherited
from vmcp_proxy.backends.programs.pool import CallsOf, ProgramBounds, SessionOf
from vmcp_proxy.core.members.health import HealthTracker

ROOTS = b'{"roots":{}}'
SOON = ProgramBounds(idle=60.0, unused=0.2, spare=0.0)
NPM = """\
npm warn exec The following package was not found and will be installed: no-such@1.0.0
npm error code E404
npm error 404 Not Found - GET https://registry.example/no-such - Not found
npm error 404
npm error 404  'no-such@*' is not in this registry.
npm error 404
npm error A complete log of this run can be found in: /root/.npm/_logs/2026-01-01T00_00_00_000Z-debug-0.log
"""
NODE = """\
node:internal/modules/cjs/loader:1143
  throw err;
  ^

Error: Cannot find module '/x/server.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1140:15)
    at node:internal/main/run_main_module:28:49 {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v20.19.0
"""
UVX = "\x1b[31m  x\x1b[0m No solution found when resolving tool dependencies:\n  no-such was not found, so it fails.\n"


def link_of(made, owner=None):
    async def opened(_link, _session):
        return

    return Link(made, legacy(ROOTS), opened, owner=owner)


async def ask(link, receiver=None, name="who", method="tools/call"):
    body = b'{"name":"%b","uri":"test://a"}' % name.encode()
    return await link.request(method, lambda _: body, NO_CREDENTIALS, within(), receiver or Recorder())


async def process_of(link):
    await ask(link)
    return link.session.process.pid


@pytest.mark.scenario("B-13")
@pytest.mark.parametrize(
    ("script", "parts"),
    [
        (f"import sys; sys.stderr.write({NPM!r}); sys.exit(1)", ("exit code 1", "E404", "'no-such@*' is not in this")),
        (f"import sys; sys.stderr.write({NODE!r}); sys.exit(1)", ("Cannot find module '/x/server.js'",)),
        (f"import sys; sys.stderr.write({UVX!r}); sys.exit(2)", ("exit code 2", "x No solution", "no-such was not")),
        ("import no_such_module_4711", ("exit code 1", "ModuleNotFoundError: No module named 'no_such_module_4711'")),
        (
            "import os, sys; sys.stderr.write('no line end'); sys.stderr.flush(); os.kill(os.getpid(), 9)",
            ("by SIGKILL", "no line end"),
        ),
        ("import os; raise SystemExit(f'{os.environ[\"KEY\"]!r} is refused')", ("'***' is refused",)),
        ("print('not MCP')", ("exit code 0 and starts again on the next call)",)),
    ],
    ids=["npm", "node", "uvx", "import", "signal", "secret", "silent"],
)
async def test_why_a_program_ended_stands_in_the_error_with_its_last_lines_masked(tmp_path, script, parts):
    async with backend(tmp_path, script, KEY="canary-1") as made:
        for capabilities in (b"{}", ROOTS):
            with pytest.raises(BackendError) as failed:
                await made.open(legacy(capabilities), (), within())
            assert failed.value.category is Category.NOT_RUNNING
            text = str(failed.value)
            assert all(part in text for part in parts), text
            assert not any(part in text for part in ("canary", "_logs", "    at ", "\x1b", "\n"))
            assert len(text) < 700


@pytest.mark.scenario("B-13")
async def test_what_a_program_says_while_it_does_not_come_up_stands_in_the_error(tmp_path):
    script = "import sys; print('waiting for the daemon', file=sys.stderr, flush=True); sys.stdin.read()"
    async with backend(tmp_path, script, patience=0.5) as made:
        async with asyncio.timeout(10):
            while True:
                with pytest.raises(BackendError, match="has not come up yet") as failed:
                    await made.open(OWN_TERMS, (), within())
                if "it said: waiting for the daemon" in str(failed.value):
                    break


@pytest.mark.scenario("B-13")
def test_times_and_numbers_in_last_lines_make_no_news_and_other_words_do():
    health = HealthTracker(3)
    said = "backend 'x' is not running (the program ended with exit code 1, it said: at 12:00:01 pid 17 {})"
    assert health.failed(Category.NOT_RUNNING, said.format("fails"))
    assert not health.failed(Category.NOT_RUNNING, said.format("fails").replace("12:00:01 pid 17", "12:00:31 pid 99"))
    assert health.failed(Category.NOT_RUNNING, said.format("is gone"))
    assert health.failed(Category.NOT_RUNNING, said.format("is gone").replace("exit code 1", "exit code 2"))


@pytest.mark.scenario("H-7")
async def test_what_a_program_says_on_standard_error_is_logged_at_debug_only_masked_and_bounded(tmp_path, caplog):
    def lines():
        return [each.vmcp_fields["line"] for each in caplog.records if each.name == "vmcp.backends"]

    for level in (logging.INFO, logging.DEBUG):
        assert not lines()
        caplog.set_level(level, "vmcp.backends")
        async with backend(tmp_path, KEY="canary-1") as made:
            await call(await made.open(OWN_TERMS, (), within()), name="errors")
    assert any(line.startswith("*** and yyy") and len(line) == 1000 for line in lines())
    assert not any("canary" in line or "zzz" in line for line in lines())
    assert 0 < len(lines()) <= 60
    assert {each.vmcp_fields["backend"] for each in caplog.records if each.name == "vmcp.backends"} == {"one"}


@pytest.mark.scenario("B-13")
async def test_a_program_that_nobody_needs_ends_and_the_next_call_has_a_new_one(tmp_path):
    async with backend(tmp_path, bounds=SOON) as made:
        listed, called = link_of(made), link_of(made)
        await ask(listed, NOBODY, method="ping")
        first, kept = listed.session.process.pid, await process_of(called)
        await eventually(lambda: not is_running(first))
        # A call may have left something behind in the program for its client.
        assert is_running(kept)
        second = await process_of(listed)
        assert second != first
        assert is_running(second)
        for link in (listed, called):
            await link.close(NO_CREDENTIALS)


@pytest.mark.scenario("B-13")
async def test_a_program_ends_soon_after_its_client_ceased_to_listen_but_not_during_a_call_or_a_subscription(tmp_path):
    async with backend(tmp_path, bounds=SOON) as made:
        link = link_of(made)
        first = await process_of(link)
        listening = asyncio.create_task(link.listen(NO_CREDENTIALS, Recorder(), within()))
        await eventually(lambda: link.session._listeners)
        link.session._used_at -= 1000
        assert link.session.ends_at(SOON) < asyncio.get_running_loop().time()
        link.session._subscribed.add(b'"test://a"')
        assert link.session.ends_at(SOON) == float("inf")
        holding = asyncio.create_task(ask(link, name="hold"))
        await eventually(lambda: link.session._in_use)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert link.session.ends_at(SOON) == float("inf")
        await link.session.send(b'{"jsonrpc":"2.0","id":1,"result":{}}', ())
        await holding
        await eventually(lambda: not is_running(first))
        # The client comes back, and still waits for news of what it has subscribed to.
        again = asyncio.create_task(link.listen(NO_CREDENTIALS, Recorder(), within()))
        await eventually(lambda: link.session and link.session.process.pid != first and link.session._listeners)
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
        await link.close(NO_CREDENTIALS)


async def test_a_listener_starts_no_program_that_was_ended_for_want_of_use(tmp_path):
    async with backend(tmp_path, bounds=SOON) as made:
        link = link_of(made)
        await ask(link, NOBODY, method="ping")
        first = link.session
        listening = asyncio.create_task(link.listen(NO_CREDENTIALS, Recorder(), within()))
        assert await listening is False
        assert await link.listen(NO_CREDENTIALS, Recorder(), within()) is False
        assert link.session is first
        with pytest.raises(BackendError):
            await first.notify("notifications/roots/list_changed", None, ())
        with pytest.raises(SessionLostError):
            await call(first)


@pytest.mark.scenario("B-13")
async def test_programs_are_bounded_over_all_backends_and_per_session_and_idle_ones_give_way(tmp_path):
    bounds = ProgramBounds(most=3, most_per_owner=2, idle=60.0, unused=60.0, spare=0.0)
    async with backend(tmp_path, bounds=bounds, patience=0.3) as made:
        mine, yours = object(), object()
        links = [link_of(made, mine) for _ in range(2)]
        pids = [await process_of(link) for link in links]
        third = link_of(made, mine)
        with pytest.raises(BackendError, match="this session has 2 programs of its own at work already") as failed:
            await ask(third)
        assert failed.value.category is Category.FULL
        other = link_of(made, yours)
        await ask(other, NOBODY, method="ping")
        listed = other.session.process.pid
        fourth = link_of(made, yours)
        # What was only asked for its lists gives way at once; what was called, when it is idle for longer.
        await ask(fourth)
        assert not is_running(listed)
        with pytest.raises(BackendError, match="3 programs of client sessions are at work already; end some"):
            await ask(other)
        links[0].session._used_at -= 100
        await ask(third)
        assert not is_running(pids[0])
        assert is_running(pids[1])
        assert len(made._pool) == 3
        assert (await who(await made.open(OWN_TERMS, (), within())))[0] not in pids
        for link in (*links, third, other, fourth):
            await link.close(NO_CREDENTIALS)
        assert not len(made._pool)


async def test_a_wait_that_is_cut_off_does_not_keep_a_program_from_its_end(tmp_path):
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    program = stubborn + "import json, sys, time\n" + "line = json.loads(sys.stdin.readline())\n"
    hello = '{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"p","version":"1"}}'
    program += f"print(json.dumps({{'jsonrpc': '2.0', 'id': line['id'], 'result': {hello}}}), flush=True)\n"
    async with backend(tmp_path, program + "time.sleep(1000)") as made:
        session = await made.open(legacy(ROOTS), (), within())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await session.close(())
        await eventually(lambda: not is_running(session.process.pid))


@pytest.mark.scenario("D-2")
def test_programs_inherit_what_it_takes_to_reach_a_registry_and_nothing_else():
    wanted = {
        *("HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
        *("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_INTERNAL_PASSWORD", "PIP_INDEX_URL", "PIP_CERT"),
        *("npm_config_registry", "NPM_CONFIG_CAFILE", "npm_config_https_proxy", "XDG_CACHE_HOME", "PATH", "HOME"),
    }
    unwanted = {
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "OPENAI_API_KEY",
        "UV_PUBLISH_TOKEN",
        "PYTHONPATH",
        "NPM_TOKEN",
    }
    assert set(inherited(dict.fromkeys(wanted | unwanted, "x"))) == wanted


async def test_a_variable_of_the_entry_stands_above_an_inherited_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://inherited:1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://index:2")
    script = "import os; raise SystemExit(os.environ['HTTPS_PROXY'] + ' ' + os.environ['PIP_INDEX_URL'])"
    async with backend(tmp_path, script, HTTPS_PROXY="none") as made:
        assert os.environ["HTTPS_PROXY"] == "http://inherited:1"
        with pytest.raises(BackendError, match=r"it said: \*\*\* http://index:2"):
            await made.open(OWN_TERMS, (), within())


async def test_the_programs_of_a_callers_calls_count_together_and_leave_as_many_to_others(tmp_path):
    bounds = ProgramBounds(most=6, most_per_owner=4, spare=0.0)
    async with backend(tmp_path, bounds=bounds, patience=0.3) as made:
        alice, bob = [[link_of(made, CallsOf(name)) for _ in range(4)] for name in ("alice", "bob")]
        links = [*alice, *bob, link_of(made, object())]
        async with asyncio.TaskGroup() as tasks:
            held = [tasks.create_task(ask(link, name="hold")) for link in alice[:3]]
            await eventually(lambda: sum(link.session is not None and link.session._in_use for link in alice) == 3)
            with pytest.raises(BackendError, match="calls of this caller have 3 of 3 programs; answer") as failed:
                await ask(alice[3])
            assert failed.value.category is Category.FULL
            await ask(bob[0])
            # What no call is using gives way at once, to calls of the same caller and of others.
            first = bob[0].session.process.pid
            await ask(bob[1])
            await ask(bob[2])
            assert not is_running(first)
            await ask(links[-1])
            for task in held:
                task.cancel()
        for link in links:
            await link.close(NO_CREDENTIALS)


@pytest.mark.scenario("B-13")
async def test_the_sessions_of_one_caller_together_leave_as_many_programs_to_others(tmp_path):
    bounds = ProgramBounds(most=6, most_per_owner=2, spare=0.0)
    async with backend(tmp_path, bounds=bounds, patience=0.3) as made:
        alice = [link_of(made, SessionOf(number, "alice")) for number in range(4)]
        others = [link_of(made, SessionOf("his", "bob")), link_of(made, object())]
        async with asyncio.TaskGroup() as tasks:
            held = [tasks.create_task(ask(link, name="hold")) for link in alice[:3]]
            await eventually(lambda: sum(link.session is not None and link.session._in_use for link in alice) == 3)
            with pytest.raises(BackendError, match="this caller has 3 of 3 programs at work; end") as failed:
                await ask(alice[3])
            assert failed.value.category is Category.FULL
            for link in others:
                await ask(link)
            for task in held:
                task.cancel()
        for link in (*alice, *others):
            await link.close(NO_CREDENTIALS)
