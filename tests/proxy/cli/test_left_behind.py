"""Programs of a `vmcp serve` process: none is left behind, and why one fails can be seen."""

import json
import signal
import sys

import pytest

from tests.proxy.cli.commands import endpoint, serving, write
from tests.support.plain_http import http_client
from tests.support.programs import Noted
from tests.support.raw_client import RawClient, eventually
from tests.support.redis_server import RedisServer, running

ROOTS = {"roots": {}}


def local(name, command):
    """An MCPServer that this machine runs as a program."""
    annotations = {"vmcp.dev/local-command": json.dumps(command)}
    return {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServer",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"image": "x", "transport": "stdio", "groupRef": {"name": "g"}},
    }


@pytest.mark.scenario("B-13", "S-7")
async def test_sessions_that_go_idle_while_redis_is_away_leave_no_program_behind(tmp_path):
    program = Noted(tmp_path)
    with running(RedisServer(tmp_path)) as redis:
        storage = {"provider": "redis", "address": redis.address}
        spec = endpoint(sessionStorage=storage, sessionManagement={"ttl": "1s"})
        file = write(tmp_path / "v.yaml", *spec, local("one", program.command))
        async with serving("-f", file) as served:
            url = await served.url()
            await served.line("backend is up")
            for _ in range(3):
                async with RawClient(url) as client:
                    await client.open(ROOTS)
                    await client.call("one_who")
            redis.stop()
            await served.line("session store is away")
            assert len(program.processes(ROOTS)) == 3
            await eventually(lambda: not program.alive(ROOTS), 30)
            redis.start()
            await served.line("session store is back")
            async with RawClient(url) as client:
                await client.open(ROOTS)
                await client.call("one_who")
                assert len(program.alive(ROOTS)) == 1
                assert len(program.alive({})) == 1
    await eventually(lambda: not program.alive())


@pytest.mark.scenario("B-13")
async def test_a_kill_of_the_process_leaves_no_program_that_does_not_read_its_input_and_no_child_of_it(tmp_path):
    program = Noted(tmp_path, behaves="deaf")
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"one": {"command": program.command[0], "args": program.command[1:]}}}))
    async with serving("--mcp-config", str(file)) as served:
        async with RawClient(await served.url()) as client:
            await client.open()
            await client.call("one_who")
        await eventually(lambda: len(program.alive()) == 2 and program.alive("child"), 30)
        served.process.send_signal(signal.SIGKILL)
        await served.process.wait()
        await eventually(lambda: not program.alive(), 30)


@pytest.mark.scenario("B-13")
async def test_why_a_program_fails_stands_in_the_log_and_in_the_status_without_its_secrets(tmp_path):
    script = "import sys; sys.stderr.write('the key ' + sys.argv[2] + ' is refused\\n'); sys.exit(3)"
    missing = [sys.executable, "-c", "import no_such_module_4711"]
    secret = [sys.executable, "-c", script, "--api-key", "canary-4711"]
    nowhere = ["no-such-program-4711"]
    members = [local("missing", missing), local("secret", secret), local("nowhere", nowhere)]
    file = write(tmp_path / "v.yaml", *endpoint(), *members)
    async with serving("-f", file) as served:
        await served.line("unhealthy", "name=missing", "exit code 1", "No module named", "--log-level debug")
        await served.line("unhealthy", "name=secret", "exit code 3", "the key *** is refused")
        await served.line("unhealthy", "name=nowhere", "does not exist; install it or correct the command")
        async with http_client(timeout=20) as http:
            status = (await http.get(await served.status_url())).json()
        messages = {each["name"]: each["message"] for each in status["backends"]}
        assert "it said: ModuleNotFoundError: No module named 'no_such_module_4711'" in messages["missing"]
        assert "exit code 3" in messages["secret"]
        async with RawClient(await served.url()) as client:
            await client.open()
            told = json.dumps(await client.result("tools/list"))
        assert "canary-4711" not in "\n".join((*served.lines, json.dumps(status), told))
