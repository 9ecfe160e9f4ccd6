"""Passthrough headers from the client's request to the backend's socket, and nowhere else."""

import asyncio
import random

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything, use_everything
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import text, tool

CANARY = "canary-7f3a91"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def of_client(backend):
    """What was heard in sessions that carried calls, and the handshakes that opened them."""
    sessions = {heard.session for heard in backend.calls("tools/call")}
    return [heard for heard in backend.heard if heard.session in sessions]


@pytest.mark.scenario("H-1")
async def test_allowed_headers_reach_the_backend_on_every_verb_and_others_never():
    backend = everything()
    allowed = ["X-API-key", "x-tenant", "X-Empty", "X-Absent"]
    async with scene({"one": backend}, config=QUIET, passthroughHeaders=allowed) as world:
        sent = {
            "x-api-KEY": CANARY,
            "X-Tenant": "t1",
            "x-empty": "",
            "x-other": "no",
            "cookie": "c=1",
            "authorization": "no",
        }
        async with world.client() as client:
            client.headers = sent
            await client.open()
            await use_everything(client)
            async with client.listening():
                await eventually(lambda: len({*backend.streams} & {each.session for each in of_client(backend)}) == 1)
            await client.delete()
        heard = of_client(backend)
        verbs = {(each.verb, each.method) for each in heard}
        assert verbs >= {
            ("POST", "notifications/initialized"),
            ("POST", "tools/list"),
            ("POST", "resources/list"),
            ("POST", "resources/templates/list"),
            ("POST", "prompts/list"),
            ("POST", "tools/call"),
            ("POST", "resources/read"),
            ("POST", "prompts/get"),
            ("POST", "completion/complete"),
            ("POST", "logging/setLevel"),
            ("GET", ""),
            ("DELETE", ""),
        }
        for each in heard:
            assert (each.headers.get("x-api-key"), each.headers.get("x-tenant")) == (CANARY, "t1"), each.method
            assert not {"x-other", "cookie", "authorization", "x-empty", "x-absent"} & each.headers.keys()
        assert any(each.headers.get("x-api-key") == CANARY for each in backend.calls("initialize"))
        own = [each for each in backend.heard if each not in heard and each.method != "initialize"]
        assert own
        assert not any("x-api-key" in each.headers for each in own)


@pytest.mark.scenario("H-1")
async def test_of_a_header_sent_twice_the_first_value_counts():
    backend = everything()
    async with scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        async with world.client() as client:
            client._http.headers = [("x-api-key", "first"), ("X-Api-Key", "second")]
            await client.open()
            await client.call("one_echo")
        assert {each.headers["x-api-key"] for each in of_client(backend)} == {"first"}


@pytest.mark.scenario("H-2")
async def test_headers_that_change_mid_session_do_not_reach_backends():
    backend = everything()
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key", "X-Late"]) as world,
        world.client() as client,
    ):
        await client.open(x_api_key="first")
        for later in ({"x_api_key": "second"}, {}, {"x_api_key": "first", "x_late": "added"}):
            await client.result("tools/call", {"name": "one_echo"}, **later)
            await client.result("prompts/get", {"name": "one_ask"}, **later)
            await client.names(**later)
        for each in of_client(backend):
            assert each.headers["x-api-key"] == "first"
            assert "x-late" not in each.headers


@pytest.mark.scenario("H-2")
async def test_in_request_mode_each_request_sends_its_own():
    backend = everything()
    async with (
        scene(
            {"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"], passthroughHeaderMode="Request"
        ) as world,
        world.client() as client,
    ):
        await client.open(x_api_key="first")
        await client.result("tools/call", {"name": "one_echo"}, x_api_key="second")
        await client.result("tools/call", {"name": "one_echo"})
        await client.result("prompts/get", {"name": "one_ask"}, x_api_key="third")
        values = [each.headers.get("x-api-key") for each in backend.calls("tools/call") + backend.calls("prompts/get")]
        assert values == ["second", None, "third"]


@pytest.mark.scenario("H-2")
async def test_a_session_ends_when_the_mode_changes_for_it_has_no_headers_for_the_other_one():
    backend = everything()
    async with (
        scene(
            {"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"], passthroughHeaderMode="Request"
        ) as world,
        world.client() as client,
    ):
        await client.open(x_api_key="first")
        world.apply(passthroughHeaderMode="Session")
        answer = await client.post({"jsonrpc": "2.0", "id": 9, "method": "tools/list"}, x_api_key="first")
        assert answer.status_code == 404
        await client.open(x_api_key="second")
        await client.result("tools/call", {"name": "one_echo"})
        assert backend.calls("tools/call")[-1].headers["x-api-key"] == "second"


@pytest.mark.scenario("H-3")
async def test_sessions_with_different_values_never_meet_under_load():
    backend = everything()
    choice = random.Random(7)

    @backend.on("tools/call")
    async def tell(call):
        await asyncio.sleep(choice.random() / 200)
        return text(call.heard.headers["x-api-key"])

    async with scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:

        async def one(number):
            async with world.session(x_api_key=f"value-{number}") as client:
                results = await asyncio.gather(*(client.call("one_echo", {"who": number}) for _ in range(10)))
                assert {each["content"][0]["text"] for each in results} == {f"value-{number}"}

        await asyncio.gather(*(one(number) for number in range(20)))
        by_session = {}
        for each in backend.heard:
            if each.session and "x-api-key" in each.headers:
                by_session.setdefault(each.session, set()).add(each.headers["x-api-key"])
        assert len(by_session) == 20
        assert all(len(values) == 1 for values in by_session.values())


@pytest.mark.scenario("H-5")
async def test_static_and_forwarded_headers_both_arrive_in_any_spelling():
    backend = everything()
    more = {
        "one": {
            "headerForward": {
                "addPlaintextHeaders": {"x-STATIC": "plain"},
                "addHeadersFromSecret": [{"headerName": "X-Secret", "valueSecretRef": {"name": "s", "key": "k"}}],
            }
        }
    }
    async with (
        scene(
            {"one": backend},
            more=more,
            secrets={("s", "k"): "hidden\n"},
            config=QUIET,
            passthroughHeaders=["X-Api-Key"],
        ) as world,
        world.session(x_api_key="k") as client,
    ):
        await client.call("one_echo")
        sent = backend.calls("tools/call")[0].headers
        assert (sent["x-static"], sent["x-secret"], sent["x-api-key"]) == ("plain", "hidden", "k")
        own = [each for each in backend.heard if "x-api-key" not in each.headers]
        assert own
        assert all((each.headers["x-static"], each.headers["x-secret"]) == ("plain", "hidden") for each in own)


@pytest.mark.scenario("H-5")
async def test_a_collision_fails_the_call_and_names_the_header_but_no_value():
    one, two = everything(), everything()
    more = {"one": {"headerForward": {"addPlaintextHeaders": {"x-api-key": "static-value"}}}}
    async with scene({"one": one, "two": two}, more=more, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        async with world.session(x_api_key=CANARY) as client:
            listed = await client.result("tools/list")
            assert [each["name"] for each in listed["tools"]] == ["two_echo"]
            outcome = listed["_meta"]["vmcp.dev/serverOutcomes"]["one"]
            assert outcome["status"] == "header_collision"
            result = await client.call("one_echo")
            prompt = (await client.request("prompts/get", {"name": "one_ask"}))["error"]
            assert result["isError"]
            assert result["_meta"]["vmcp.dev/category"] == "header_collision"
            assert prompt["code"] == -32603
            for shown in (str(result), str(prompt), str(outcome)):
                assert "X-Api-Key" in shown
                assert CANARY not in shown
                assert "static-value" not in shown
            # What the backend would list for these headers is not known: that is no word of a name being unknown.
            assert (await client.call("one_nothing"))["_meta"]["vmcp.dev/category"] == "header_collision"
            assert "Unknown" in (await client.request("tools/call", {"name": "two_nothing"}))["error"]["message"]
            assert (await client.call("two_echo"))["content"]
        async with world.session() as client:
            await client.call("one_echo")
        assert {each.headers["x-api-key"] for each in one.heard} == {"static-value"}


@pytest.mark.scenario("H-9")
async def test_restricted_and_malformed_headers_are_dropped_at_run_time():
    backend = everything()
    allowed = [
        "Host",
        "X-Api-Key",
        "Connection",
        "Authorization",
        "Cookie",
        "Mcp-Session-Id",
        "X-Forwarded-For",
        "Accept",
        "Origin",
    ]
    origin = "http://localhost:3000"
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=allowed, allowedOrigins=[origin]) as world,
        world.session(x_api_key="k", authorization="a", cookie="c", x_forwarded_for="1.2.3.4", origin=origin) as client,
    ):
        await client.call("one_echo")
        sent = backend.calls("tools/call")[0].headers
        assert sent["host"] == f"127.0.0.1:{backend.port}"
        assert sent["x-api-key"] == "k"
        assert sent["mcp-session-id"] != client.session
        assert not {"authorization", "cookie", "x-forwarded-for", "connection", "origin"} & sent.keys()


@pytest.mark.scenario("H-9")
async def test_a_value_with_control_characters_is_not_forwarded():
    backend = everything()
    async with scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.proxy.mcp_port)
        body = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}'
        writer.write(
            b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nX-Api-Key: a\x01b\r\nContent-Length: %d\r\n\r\n"
            % len(body)
            + body
        )
        head = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()
        assert head.split()[1] in (b"200", b"400")
        assert not any("x-api-key" in each.headers for each in backend.heard)


@pytest.mark.scenario("H-10")
async def test_lists_follow_the_headers_they_were_asked_with():
    backend = everything()

    @backend.on("tools/list")
    async def by_key(call):
        return {"tools": [tool(f"for_{call.heard.headers.get('x-api-key', 'nobody')}")]}

    async with scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world:
        async with (
            world.session(x_api_key="alice") as alice,
            world.session(x_api_key="bob") as bob,
            world.session() as nobody,
            world.session(x_api_key="alice") as again,
        ):
            for _ in range(2):
                assert await alice.names() == ["one_for_alice"]
                assert await bob.names() == ["one_for_bob"]
                assert await nobody.names() == ["one_for_nobody"]
            assert await again.names() == ["one_for_alice"]
            answer = await bob.request("tools/call", {"name": "one_for_alice"})
            assert answer["error"]["code"] == -32602
            assert (await bob.call("one_for_bob"))["content"]
        listed = [each.headers.get("x-api-key") for each in backend.calls("tools/list")]
        assert sorted(map(str, listed)) == ["None", "alice", "bob"]
