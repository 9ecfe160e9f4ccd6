"""The end of a process that shares a Redis: whoever asks meanwhile hears that it ends, not that the Redis is away."""

import asyncio
import json

import httpx2
import pytest

from tests.proxy.cli.commands import endpoint, serving, write
from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import configs_of
from tests.support.scripted_backend import ScriptedBackend, text
from tests.support.serving import load, url_of
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.settings import Settings

CLIENTS = 8
ENDING = "The server is shutting down; try again."


class Asking:
    """Clients that ask, one request after another, until nobody answers; `errors` are what they were told instead."""

    def __init__(self, url):
        self.url = url
        self.answered = 0
        self.errors = []

    async def ask(self, *, hold):
        try:
            async with RawClient(self.url) as client:
                while True:
                    self.note(await client.post(client.opening))
                    client.session = ""
                    await client.open()
                    for _ in range(3):
                        params = {"name": "one_echo", "arguments": {"hold": hold}}
                        self.note(await client.post(client.asking("tools/call", params)))
        except (httpx2.TransportError, AssertionError, KeyError):
            return

    def note(self, answer):
        said = json.loads(answer.text.rpartition("data: ")[2])
        if "error" in said:
            self.errors.append(said["error"]["message"])
        elif said["result"].get("isError"):
            self.errors.append(said["result"]["content"][0]["text"])
        else:
            self.answered += 1


@pytest.mark.scenario("S-10", "S-7")
async def test_a_process_that_is_told_to_end_does_not_say_that_its_redis_is_away(tmp_path, redis_server):
    backend = ScriptedBackend()
    held = asyncio.Event()

    @backend.on("tools/call")
    async def act(call):
        if call.params["arguments"]["hold"]:
            held.set()
            await asyncio.Event().wait()
        return text("done")

    config = {**QUIET, "audit": {"enabled": True, "sink": "file", "path": str(tmp_path / "audit")}}
    config["operational"] = {**QUIET["operational"], "timeouts": {"drain": "1ms"}}
    storage = {"provider": "redis", "address": redis_server.address}
    entry = {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServerEntry",
        "metadata": {"name": "one"},
        "spec": {"transport": "streamable-http", "groupRef": {"name": "g"}},
    }
    async with backend.running():
        entry["spec"]["remoteUrl"] = f"http://127.0.0.1:{backend.port}/mcp"
        file = write(tmp_path / "v.yaml", *endpoint(config=config, sessionStorage=storage), entry)
        async with serving("-f", file, "--shutdown-delay", "1") as served, asyncio.TaskGroup() as group:
            asking = Asking(await served.url())
            group.create_task(asking.ask(hold=True))
            for _ in range(CLIENTS):
                group.create_task(asking.ask(hold=False))
            await eventually(lambda: held.is_set() and asking.answered > 5 * CLIENTS)
            served.process.terminate()
            async with asyncio.timeout(20):
                assert await served.process.wait() == Exit.OK
    assert set(asking.errors) == {ENDING}
    told = "\n".join(served.lines) + (tmp_path / "audit").read_text()
    assert "one_echo" in told
    assert "store" not in told
    assert "Redis" not in told
    assert "Traceback" not in told


@pytest.mark.scenario("S-10", "S-7")
async def test_a_process_that_ends_by_a_fault_says_so_to_all_who_ask(redis_server):
    backend = ScriptedBackend()
    reached, crash = asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def hold(call):
        reached.set()
        await asyncio.Event().wait()
        return text("never")

    @backend.on("DELETE")
    async def linger(call):
        await asyncio.sleep(0.5)

    async def fail(_):
        await crash.wait()
        raise ZeroDivisionError

    async with backend.running():
        storage = {"provider": "redis", "address": redis_server.address}
        loaded = load({"backends": configs_of({"one": backend}), "config": QUIET, "sessionStorage": storage})
        proxy = Proxy(Settings(port=0, admin_port=0, handles_signals=False), loaded)
        running = asyncio.create_task(proxy.run(fail))
        await proxy.started.wait()
        async with RawClient(url_of(proxy)) as client, RawClient(url_of(proxy)) as other:
            await client.open()
            await other.open()
            calling = asyncio.create_task(client.post(client.asking("tools/call", {"name": "one_echo"})))
            await reached.wait()
            crash.set()
            answer = await calling
            assert answer.json()["error"]["message"] == ENDING
            # Its connection is kept, and closed before its session is.
            with pytest.raises(httpx2.TransportError):
                await other.post(other.opening)
        with pytest.raises(ExceptionGroup):
            await running
