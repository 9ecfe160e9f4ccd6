"""A process that is killed takes none of its sessions along."""

import asyncio
import signal

import pytest

from tests.proxy.cli.commands import endpoint, serving, write
from tests.proxy.endpoint.helpers import everything
from tests.support.raw_client import RawClient, eventually
from tests.support.scripted_backend import tool

TOOLS = "notifications/tools/list_changed"


def manifests(redis, backend):
    entry = {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServerEntry",
        "metadata": {"name": "b0"},
        "spec": {
            "remoteUrl": f"http://127.0.0.1:{backend.port}/mcp",
            "transport": "streamable-http",
            "groupRef": {"name": "g"},
        },
    }
    storage = {"provider": "redis", "address": redis.address}
    return [*endpoint(sessionStorage=storage, passthroughHeaders=["X-Api-Key"]), entry]


async def kill(served):
    served.process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(30):
        assert await served.process.wait() == -signal.SIGKILL


@pytest.mark.scenario("S-5")
@pytest.mark.timeout(120)
async def test_a_session_outlives_the_kill_of_the_process_that_made_it(redis_server, tmp_path):
    backend, keys = everything(), tmp_path / "keys"
    keys.mkdir()
    (keys / "1").write_bytes(bytes(range(32)))
    async with backend.running():
        plan = ("-f", write(tmp_path / "vmcp.yaml", *manifests(redis_server, backend)), "--keys", str(keys))
        async with serving(*plan) as a, serving(*plan) as b:
            headers = {"X-Api-Key": "k"}
            async with RawClient(await a.url(), headers) as client, RawClient(await b.url(), headers) as there:
                await client.open()
                await client.call("b0_echo")
                (used,) = {heard.session for heard in backend.calls("tools/call")}
                there.session = client.session
                async with client.listening() as stream:
                    await eventually(lambda: used in backend.streams)
                    await kill(a)
                    await eventually(lambda: stream.ended)
                assert await there.names() == ["b0_echo"]
                assert await there.names("resources") == ["test://a"]
                assert await there.names("resourceTemplates") == ["test://t/{id}"]
                assert await there.names("prompts") == ["b0_ask"]
                await there.call("b0_echo")
                await there.result("resources/read", {"uri": "test://a"})
                await there.result("prompts/get", {"name": "b0_ask"})
                assert {heard.session for heard in backend.calls("tools/call")} == {used}
                async with there.listening() as stream:
                    await eventually(lambda: used in backend.streams)
                    backend.tools = [tool("echo"), tool("new")]
                    backend.push(TOOLS)
                    await stream.until(TOOLS)
                    assert await there.names() == ["b0_echo", "b0_new"]
                assert await there.delete() == 204
                await eventually(lambda: used not in backend.sessions)
