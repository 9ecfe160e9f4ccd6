"""Calls that wait in one process while their clients turn to another one, with a real Redis between them."""

import asyncio
import contextlib

import pytest

from tests.proxy.cli.commands import serving, write
from tests.proxy.endpoint.test_pausing import ACCEPT, ELICITS, FORM, go_on
from tests.proxy.sessions.test_killed_pod import kill, manifests
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import Call, ScriptedBackend, text
from vmcp_proxy.protocol.methods import Era

LARGE = "0123456789abcdef" * (3 << 16)
"""Three mebibytes: more than a message between pods holds."""


def asking():
    """A backend whose tool asks for a name, reports progress, and gives a large result."""
    backend, answers = ScriptedBackend(), {}

    @backend.on("tools/call")
    async def ask(call: Call):
        heard = answers[call.heard.session] = asyncio.Queue()
        await call.say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": FORM})
        name = (await heard.get())["result"]["content"]["name"]
        if token := call.params.get("_meta", {}).get("progressToken"):
            await call.notify("notifications/progress", progressToken=token, progress=1)
        return text(f"{name}: {LARGE}")

    @backend.on("")
    async def hear(call: Call):
        answers[call.heard.session].put_nowait(call.heard.message)
        return {}

    return backend


@contextlib.asynccontextmanager
async def two_processes(redis, backend, tmp_path):
    """Two replicas, and the same client at each."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "1").write_bytes(bytes(range(32)))
    async with backend.running():
        plan = ("-f", write(tmp_path / "vmcp.yaml", *manifests(redis, backend)), "--keys", str(keys))
        async with serving(*plan) as a, serving(*plan) as b:
            headers = {"X-Api-Key": "k"}
            here = RawClient(await a.url(), headers, Era.MODERN)
            there = RawClient(await b.url(), headers, Era.MODERN)
            async with here, there:
                here.capabilities = there.capabilities = ELICITS
                await there.names()
                yield a, here, there


@pytest.mark.scenario("P-11")
@pytest.mark.timeout(120)
async def test_the_answers_to_a_call_may_come_to_another_process(redis_server, tmp_path):
    async with two_processes(redis_server, asking(), tmp_path) as (_, here, there):
        asked = await here.call("b0_echo", _meta={"progressToken": "first"})
        there.said.clear()
        more = {"inputResponses": {"q1": ACCEPT}, "requestState": asked["requestState"], "_meta": {"progressToken": 2}}
        done = await there.call("b0_echo", **more)
        assert done["content"][0]["text"] == f"Ada: {LARGE}"
        assert [said["params"] for said in there.said] == [{"progressToken": 2, "progress": 1}]
        lost = (await go_on(there, asked, name="b0_echo"))["error"]
        assert (lost["code"], "Begin again" in lost["message"]) == (-32603, True)


@pytest.mark.scenario("P-11")
@pytest.mark.timeout(120)
async def test_a_call_is_lost_with_its_process_and_the_client_is_told_to_begin_again(redis_server, tmp_path):
    async with two_processes(redis_server, asking(), tmp_path) as (a, here, there):
        asked = await here.call("b0_echo")
        await kill(a)
        lost = (await go_on(there, asked, name="b0_echo"))["error"]
        assert (lost["code"], "Begin again" in lost["message"]) == (-32603, True)
        done = await go_on(there, await there.call("b0_echo"), name="b0_echo")
        assert done["result"]["content"][0]["text"].startswith("Ada: ")
