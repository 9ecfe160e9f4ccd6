"""What goes before the answer to a modern request, and what happens when its client does not wait for it."""

import asyncio
import contextlib
import json
from urllib.parse import urlsplit

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.serve.parts import in_whole
from tests.support import eras
from tests.support.raw_client import ACCEPT, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, text
from vmcp_proxy.protocol.error_codes import REQUEST_CANCELLED
from vmcp_proxy.protocol.methods import Era


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


def chatty() -> ScriptedBackend:
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def chat(call):
        token = (call.params.get("_meta") or {}).get("progressToken")
        for level in ("debug", "warning", "error"):
            await call.notify("notifications/message", level=level, data=level)
        if token is not None:
            await call.notify("notifications/progress", progressToken=token, progress=1, total=2)
        await call.notify("notifications/resources/updated", uri="test://a")
        await call.notify("notifications/tools/list_changed")
        await call.notify("notifications/x-own", a=1)
        return text("said")

    return backend


@pytest.mark.scenario("P-4")
async def test_a_stream_brings_progress_under_the_requests_own_token_and_records_of_its_own_level():
    async with scene({"one": chatty()}, config=QUIET) as world, world.client() as client:
        client.log_level = "warning"
        for token in ("mine", 7):
            client.said.clear()
            result = await client.call("one_echo", _meta={"progressToken": token})
            assert result["content"][0]["text"] == "said"
            assert [said["method"] for said in client.said] == ["notifications/message"] * 2 + [
                "notifications/progress"
            ]
            assert [said["params"]["level"] for said in client.said[:2]] == ["warning", "error"]
            assert client.said[0]["params"]["logger"] == "one"
            assert client.said[2]["params"] == {"progressToken": token, "progress": 1, "total": 2}


@pytest.mark.scenario("P-4")
async def test_a_request_that_asks_for_nothing_hears_nothing_but_its_answer():
    async with scene({"one": chatty()}, config=QUIET) as world, world.client() as client:
        message = client.asking("tools/call", {"name": "one_echo"})
        answer = await client.post(message)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["result"]["content"][0]["text"] == "said"


@pytest.mark.scenario("P-4")
async def test_a_client_that_takes_no_streams_gets_the_answer_alone():
    async with scene({"one": chatty()}, config=QUIET) as world, world.client() as client:
        client.log_level = "debug"
        message = client.asking("tools/call", {"name": "one_echo", "_meta": {"progressToken": 1}})
        answer = await client.post(message, accept="application/json")
        assert answer.json()["result"]["content"][0]["text"] == "said"


@pytest.mark.scenario("P-4")
async def test_a_silent_call_is_kept_open_by_comments():
    backend, release = ScriptedBackend(), asyncio.Event()

    @backend.on("tools/call")
    async def wait(call):
        await release.wait()
        return text("late")

    config = operational(keepAliveInterval="1s", failureHandling={"healthCheckInterval": "1h"})
    async with (
        scene({"one": backend}, config=config) as world,
        world.client() as client,
        client.posting("tools/call", {"name": "one_echo"}) as stream,
    ):
        await eventually(lambda: stream.comments)
        release.set()
        answer = await stream.answer()
    assert answer["result"]["content"][0]["text"] == "late"
    assert answer["result"]["resultType"] == "complete"


@pytest.mark.scenario("P-4")
@pytest.mark.parametrize("level", [None, "debug"], ids=["before anything was said", "in a stream"])
async def test_a_disconnect_cancels_the_call_at_its_backend(level, tmp_path):
    backend, began, release = ScriptedBackend(), asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def wait(call):
        if level is not None:
            await call.notify("notifications/message", level="error", data="x")
        began.set()
        await release.wait()
        return text("late")

    audit = tmp_path / "audit.log"
    config = {**QUIET, "audit": {"enabled": True, "sink": "file", "path": str(audit)}}
    async with scene({"one": backend}, config=config) as world:
        async with world.client() as client:
            client.log_level = level
            message = client.asking("tools/call", {"name": "one_echo"})
            async with client.sending(message):
                await began.wait()
        await eventually(lambda: backend.calls("notifications/cancelled"))
        await eventually(lambda: not world.inside.calls)
        release.set()
    (line,) = [json.loads(line) for line in audit.read_text().splitlines() if '"mcp_tool_call"' in line]
    assert (line["outcome"], line["reason"]) == ("failure", "cancelled")


@pytest.mark.scenario("P-4")
async def test_the_end_of_what_a_client_sends_cancels_its_call_which_is_answered_so():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def wait(call):
        await asyncio.Event().wait()

    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.names()
        message = client.asking("tools/call", {"name": "one_echo"})
        body = json.dumps(eras.modern(message)).encode()
        fields = {"accept": ACCEPT, "content-type": "application/json", **eras.headers_of(message)}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        url = urlsplit(world.url)
        request = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-length: {len(body)}\r\n{head}\r\n"
        said = await in_whole(url.port, request.encode() + body)
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == REQUEST_CANCELLED


@pytest.mark.scenario("P-4")
async def test_a_disconnect_costs_other_calls_nothing():
    backend, release = ScriptedBackend(), asyncio.Event()

    @backend.on("tools/call")
    async def wait(call):
        if call.params.get("arguments"):
            await release.wait()
        return text("done")

    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        message = client.asking("tools/call", {"name": "one_echo", "arguments": {"a": 1}})
        async with client.sending(message) as waiting:
            await eventually(lambda: len(backend.calls("tools/call")) == 1)
            async with world.client() as other:
                message = other.asking("tools/call", {"name": "one_echo", "arguments": {"a": 1}})
                async with other.sending(message):
                    await eventually(lambda: len(backend.calls("tools/call")) == 2)
            await eventually(lambda: backend.calls("notifications/cancelled"))
            release.set()
            assert client.read(await waiting)["result"]["content"][0]["text"] == "done"
        with contextlib.suppress(asyncio.CancelledError):
            assert (await client.call("one_echo"))["content"][0]["text"] == "done"
