"""`vmcp serve` as a process: what it says, what it refuses, what it survives."""

import asyncio
import json
import secrets
import socket
import sys

import httpx2
import pytest

from benchmarks.ports import free_port
from tests.proxy.cli.commands import as_yaml, call_vmcp, endpoint, replace, run_vmcp, server, serving, write
from tests.proxy.cli.test_sources import mounted
from tests.support.plain_http import http_client
from tests.support.redis_server import RedisServer, running
from vmcp_proxy.cli.exits import Exit

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
HEADERS = {"accept": "application/json, text/event-stream"}


NO_AUDIT_FILE = {"audit": {"enabled": True, "sink": "file", "path": "/no-such-folder/audit.log"}}


async def initialize(url, **headers):
    async with http_client(timeout=20) as http:
        return await http.post(url, json=INITIALIZE, headers={**HEADERS, **headers})


@pytest.fixture
def serves_nothing(monkeypatch):
    """Where a refusal is expected, an endpoint that comes up all the same fails at once instead of serving on."""

    def run(main):
        main.close()
        pytest.fail("it serves")

    monkeypatch.setattr("vmcp_proxy.cli.serve.process.uvloop.run", run)


@pytest.fixture
def manifest(tmp_path):
    file = tmp_path / "v.yaml"
    write(file, *endpoint(), server("one"))
    return file


@pytest.mark.scenario("D-2")
@pytest.mark.scenario("D-3")
async def test_manifests_are_served_on_loopback_only_and_backends_are_named_as_they_come_up_or_fail(tmp_path):
    nowhere = server("nowhere")
    del nowhere["metadata"]["annotations"]
    broken = server("broken", ["no-such-program-4711"])
    file = write(tmp_path / "v.yaml", *endpoint(), server("one"), broken, nowhere)
    async with serving("-f", file) as served:
        url = await served.url()
        assert "tools=2" in await served.line("backend is up", "name=one")
        assert "no-such-program-4711" in await served.line("backend is unhealthy", "name=broken")
        assert "vmcp.dev/local-command" in await served.line("backend is withheld", "name=nowhere")
        assert url.startswith("http://127.0.0.1:")
        assert (await initialize(url)).status_code == 200
        # Another address of this machine reaches what listens everywhere, and only that.
        for address in (url, await served.status_url()):
            with pytest.raises(httpx2.ConnectError):
                await initialize(address.replace("127.0.0.1", "127.0.0.2"))
        assert (await initialize(url, host="vmcp.example")).status_code == 421
        async with http_client() as http:
            status = (await http.get(await served.status_url())).json()
        assert {each["name"]: each["status"] for each in status["backends"]} == {
            "one": "healthy",
            "broken": "unhealthy",
            "nowhere": "withheld",
        }


@pytest.mark.scenario("D-3")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "vmcp.example"])
def test_an_address_that_other_machines_reach_is_refused_without_the_flag(manifest, capsys, host, serves_nothing):
    done = call_vmcp(capsys, "serve", "-f", str(manifest), "--host", host)
    assert done.code == Exit.USAGE
    assert f"--host {host} would let other machines in" in done.err
    assert "--allow-remote" in done.err


@pytest.mark.scenario("D-3")
async def test_with_the_flag_other_addresses_are_served_and_the_admin_port_stays_on_loopback(manifest):
    async with serving("-f", str(manifest), "--host", "0.0.0.0", "--allow-remote") as served:
        url = (await served.url()).replace("0.0.0.0", "127.0.0.2")
        assert (await initialize(url, host="vmcp.example")).status_code == 200
        with pytest.raises(httpx2.ConnectError):
            await initialize((await served.status_url()).replace("127.0.0.1", "127.0.0.2"))


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_port_in_use_is_named_with_the_way_out(manifest, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--port": "0", "--admin-port": "0", option: port}
        arguments = ("serve", "-f", str(manifest), *(word for pair in ports.items() for word in pair))
        done = run_vmcp(*arguments)
    assert done.code == Exit.ADDRESS
    assert f"port {port} on 127.0.0.1 is in use" in done.err
    assert f"choose another with {option} " in done.err
    assert "Traceback" not in done.err


async def test_a_program_that_never_answers_is_named_while_it_is_waited_for(tmp_path):
    silent = server("silent", [sys.executable, "-c", "import sys; sys.stdin.read()"])
    file = write(tmp_path / "v.yaml", *endpoint(), silent)
    async with serving("-f", file) as served:
        line = await served.line("backend is silent", "name=silent")
        assert "run its command in a shell" in line


def test_an_audit_file_that_cannot_be_opened_is_told(tmp_path):
    file = write(tmp_path / "v.yaml", *endpoint(config=NO_AUDIT_FILE))
    done = run_vmcp("serve", "-f", file, "--port", "0", "--admin-port", "0")
    assert done.code == Exit.INVALID
    assert "/no-such-folder/audit.log: cannot be used: No such file or directory" in done.err


def test_an_address_of_another_machine_is_told(manifest):
    done = run_vmcp("serve", "-f", str(manifest), "--host", "192.0.2.1", "--allow-remote", "--admin-port", "0")
    assert done.code == Exit.ADDRESS
    assert "cannot listen on 192.0.2.1:4483" in done.err


def test_invalid_manifests_are_told_and_nothing_is_served(tmp_path, capsys, serves_nothing):
    file = write(tmp_path / "v.yaml", *endpoint(group_ref={"name": "g"}))
    done = call_vmcp(capsys, "serve", "-f", file)
    assert done.code == Exit.INVALID
    assert f"{file}:2: VirtualMCPServer/v: spec.group_ref: is an unknown key" in done.err
    assert "vmcp: 1 error, nothing is served" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-f", "FILE", "--mcp-config", "FILE"),
        ("--config", "FILE"),
        ("--mcp-config", "FILE", "--name", "x"),
        ("-f", "FILE", "--secrets", "FOLDER"),
        ("--config", "FILE", "--keys", "FOLDER", "--audit"),
        ("--config", "FILE", "--keys", "FOLDER", "--optimizer"),
        ("-f", "no-such-file"),
        ("-f", "FILE", "--port", "65536"),
        ("-f", "FILE", "--shutdown-delay", "61"),
        ("-f", "FILE", "--shutdown-delay", "-1"),
        ("-f", "FILE", "--port", "4483", "--admin-port", "4483"),
    ],
)
def test_options_that_do_not_go_together_are_a_wrong_command_line(manifest, capsys, arguments, serves_nothing):
    words = {"FILE": str(manifest), "FOLDER": str(manifest.parent)}
    done = call_vmcp(capsys, "serve", *(words.get(word, word) for word in arguments))
    assert done.code == Exit.USAGE
    assert "Error: " in done.err


async def test_redis_away_at_the_start_is_said_and_survived_until_it_is_back(tmp_path):
    port = free_port()
    storage = {"provider": "redis", "address": f"127.0.0.1:{port}"}
    file = write(tmp_path / "v.yaml", *endpoint(sessionStorage=storage), server("one"))
    async with serving("-f", file) as served:
        url = await served.url()
        await served.line("session store is away", "new sessions get 503")
        answer = await initialize(url)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert served.process.returncode is None
        with running(RedisServer(tmp_path, port=port)):
            await served.line("session store is back")
            assert (await initialize(url)).status_code == 200


@pytest.mark.scenario("D-2")
async def test_an_editors_file_with_a_program_is_served_for_the_user_of_this_machine(tmp_path, capsys):
    file = tmp_path / "mcp.json"
    command = json.loads(server("x")["metadata"]["annotations"]["vmcp.dev/local-command"])
    entry = {"command": command[0], "args": command[1:], "env": {"K": "${TOKEN_4711}"}, "type": "stdio"}
    file.write_text(json.dumps({"mcpServers": {"one two": entry}}))
    async with serving("--mcp-config", str(file), env={"TOKEN_4711": "token-4711"}) as served:
        url = await served.url()
        assert "tools=2" in await served.line("backend is up", "name=one_two")
        called = await asyncio.to_thread(call_vmcp, capsys, "call", url, "one_two_echo", "--arg", "text=hello")
        assert (called.code, called.out) == (Exit.OK, "hello\n")
        served.process.terminate()
        assert await served.process.wait() == Exit.OK
    assert "token-4711" not in "\n".join(served.lines)


async def test_a_mounted_config_is_served_with_json_logs_and_reloads_a_rotated_secret(tmp_path):
    source = mounted(tmp_path)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "1").write_bytes(secrets.token_bytes(32))
    arguments = ("--config", str(source.config), "--secrets", str(source.secrets), "--keys", str(keys))
    async with serving(*arguments) as served:
        line = json.loads(await served.line("endpoint is ready"))
        assert line["url"].startswith("http://0.0.0.0:")
        # Pods are asked by names and addresses that nobody can list.
        answer = await initialize(line["url"].replace("0.0.0.0", "127.0.0.2"), host="vmcp.x.svc")
        assert answer.status_code == 200
        assert answer.headers["mcp-session-id"].startswith("v1.1.")
        await served.line("backend is up")
        known = len(served.lines)
        (source.secrets / "s" / "k").write_text("token-4712")
        await served.line("config loaded", after=known)
    assert "token-471" not in "\n".join(served.lines)


async def test_keys_that_are_all_gone_at_run_time_show_in_the_status_and_the_last_ones_stay_in_force(tmp_path):
    source = mounted(tmp_path)
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "1").write_bytes(secrets.token_bytes(32))
    arguments = ("--config", str(source.config), "--secrets", str(source.secrets), "--keys", str(keys))
    async with serving(*arguments) as served, http_client(timeout=20) as http:
        line = json.loads(await served.line("endpoint is ready"))
        url, admin = line["url"].replace("0.0.0.0", "127.0.0.1"), line["status"].removesuffix("/status")
        session = (await initialize(url)).headers["mcp-session-id"]
        for turn in range(2):
            known = len(served.lines)
            (keys / "1").rename(tmp_path / "aside")
            await served.line("session keys are gone", "remedy", after=known)
            await served.line("config loaded", after=known)
            assert (await http.get(f"{admin}/status")).json()["keys"] == "missing", turn
            assert (await http.get(f"{admin}/readyz")).status_code == 200
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            headers = {**HEADERS, "mcp-session-id": session}
            assert (await http.post(url, json=ping, headers=headers)).status_code == 200
            known = len(served.lines)
            (tmp_path / "aside").rename(keys / "1")
            await served.line("config loaded", after=known)
            assert (await http.get(f"{admin}/status")).json()["keys"] == "ok"
            assert (await http.post(url, json=ping, headers=headers)).status_code == 200


@pytest.mark.parametrize(("name", "size", "said"), [("1", 31, "it has 31 bytes"), (".hidden", 32, "there is none")])
def test_keys_that_cannot_be_used_are_told_with_the_way_to_make_them(
    tmp_path, manifest, capsys, name, size, said, serves_nothing
):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / name).write_bytes(b"k" * size)
    done = call_vmcp(capsys, "serve", "-f", str(manifest), "--keys", str(tmp_path / "keys"))
    assert done.code == Exit.INVALID
    assert said in done.err
    assert "/dev/urandom" in done.err
    assert "kkk" not in done.err


async def test_a_broken_edit_is_refused_and_a_good_one_heals(manifest):
    good = [*endpoint(), server("one")]
    async with serving("-f", str(manifest)) as served:
        url = await served.url()
        await served.line("backend is up", "name=one")
        manifest.write_text(as_yaml(*good) + "kind: [\n")
        assert str(manifest) in await served.line("config refused, the last good one stays")
        async with http_client() as http:
            status = (await http.get(await served.status_url())).json()
            assert str(manifest) in status["loadError"]["message"]
            assert (await initialize(url)).status_code == 200
            # What only shows when it is put in force is refused the same way.
            known = len(served.lines)
            replace(manifest, *endpoint(config=NO_AUDIT_FILE), server("one"))
            await served.line("config refused", "audit.log", "No such file or directory", after=known)
            assert (await initialize(url)).status_code == 200
            known = len(served.lines)
            replace(manifest, *good)
            await served.line("config loaded", after=known)
            assert (await http.get(await served.status_url())).json()["loadError"] is None
