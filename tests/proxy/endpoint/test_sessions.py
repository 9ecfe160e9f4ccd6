"""The life of a session as clients see it on one pod."""

import asyncio
import base64
import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import eventually, initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS, LATEST

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
SHORT = {"ttl": "200ms", "maxLifetime": "1h"}
LONG = {"ttl": "1h", "maxLifetime": "2h"}


async def every_verb(client, **headers):
    """The status of each verb, lists and calls of every kind among them."""
    statuses = []
    for method, params in (
        ("ping", {}),
        ("tools/list", {}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("prompts/list", {}),
        ("tools/call", {"name": "one_echo"}),
        ("resources/read", {"uri": "test://a"}),
        ("prompts/get", {"name": "one_p"}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_p"}}),
        ("logging/setLevel", {"level": "debug"}),
        ("no/method", {}),
    ):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        statuses.append((await client.post(message, **headers)).status_code)
    told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    statuses.append((await client.post(told, **headers)).status_code)
    statuses.append((await client.send("GET", accept="text/event-stream", **headers)).status_code)
    statuses.append(await client.delete(**headers))
    return statuses


@pytest.mark.scenario("S-1")
async def test_a_session_goes_from_initialize_to_delete_and_ends_at_its_backends_too():
    one, two = ScriptedBackend(), ScriptedBackend()
    async with scene({"one": one, "two": two}, config=QUIET) as world, world.client() as client:
        hello = await client.open()
        assert hello["protocolVersion"] == "2025-11-25"
        assert await client.names() == ["one_echo", "two_echo"]
        await client.call("one_echo")
        (used,) = {heard.session for heard in one.calls("tools/call")}
        before = (len(one.deletes), len(two.deletes))
        assert await client.delete() == 204
        assert used not in one.sessions
        assert [heard.session for heard in one.deletes[before[0] :]] == [used]
        assert len(two.deletes) == before[1]
        assert await client.delete() == 404
        answer = await client.post(PING)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == -32001
        assert len(world.inside.clients) == 0


@pytest.mark.scenario("S-2")
async def test_ids_that_were_not_minted_here_are_404_on_every_verb_without_a_look_into_the_store():
    async with scene({"one": ScriptedBackend()}) as world, world.session() as client, world.client() as thief:
        genuine = client.session
        version, kid, token = genuine.split(".")
        raw = base64.urlsafe_b64decode(token)
        forged = [
            f"{version}.{kid}.{base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()}",
            f"{version}.{kid}.{base64.urlsafe_b64encode(raw[16:] + raw[:16]).decode()}",
            f"{version}.9.{token}",
            f"v2.{kid}.{token}",
            genuine[:-4],
            genuine + "AAAA",
            genuine.swapcase(),
            "x",
            "x" * 4000,
            "v1.." + token,
        ]
        loads = []
        with world.inside.replaced("load", loads.append):
            for session in forged:
                thief.session = session
                assert set(await every_verb(thief)) == {404}, session
        assert loads == []
        assert await client.result("ping") == {}


@pytest.mark.scenario("S-3", "S-4")
@pytest.mark.parametrize("owner_has", [False, True])
async def test_an_anonymous_session_is_bound_to_the_presence_of_authorization(owner_has, tmp_path):
    audit = tmp_path / "audit.log"
    secret = {"authorization": "Bearer canary-token"}
    owner, stranger = (secret, {}) if owner_has else ({}, secret)
    backend = ScriptedBackend(prompts=[{"name": "p"}])
    config = {"audit": {"enabled": True, "sink": "file", "path": str(audit)}}
    async with scene({"one": backend}, config=config) as world, world.client() as client:
        await client.open(**owner)
        await client.call("one_echo") if not owner_has else await client.post(PING, **owner)
        assert set(await every_verb(client, **stranger)) == {404}
        assert (await client.post(PING, **owner)).status_code == 200
        assert await client.delete(**owner) == 204
    lines = audit.read_text()
    assert lines.count('"outcome":"denied"') >= 13
    assert "canary-token" not in lines
    assert client.session not in lines


async def test_without_a_session_every_verb_but_initialize_is_a_bad_request():
    async with scene({"one": ScriptedBackend()}) as world, world.client() as client:
        assert set(await every_verb(client)) == {400}


@pytest.mark.parametrize(
    ("asked", "answered"),
    [*((spoken, spoken) for spoken in sorted(CLIENT_REVISIONS)), ("2024-10-07", LATEST), ("1999", LATEST)],
)
async def test_the_revision_is_the_asked_one_where_it_is_spoken_else_the_latest(asked, answered):
    async with scene({}) as world, world.client() as client:
        result = (await client.post(initialize(asked))).json()["result"]
        assert result["protocolVersion"] == answered


async def test_a_handshake_of_the_wrong_shape_leaves_no_session():
    async with scene({}) as world, world.client() as client:
        for params in ({}, {"protocolVersion": 1}, {"protocolVersion": "2025-11-25", "capabilities": []}):
            answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
            assert answer.json()["error"]["code"] == -32602
            assert "mcp-session-id" not in answer.headers
        assert (await world.metrics())["vmcp_sessions"] == 0


@pytest.mark.scenario("S-6", "H-6")
@pytest.mark.parametrize(
    "settings", [{"ttl": "400ms"}, {"ttl": "1h", "maxLifetime": "600ms"}], ids=["idle", "lifetime"]
)
async def test_expiry_ends_sessions_and_their_backend_sessions_without_being_asked(settings):
    backend = ScriptedBackend()
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key="k") as client,
    ):
        await client.call("one_echo")
        world.apply(sessionManagement=settings)
        (used,) = {heard.session for heard in backend.calls("tools/call")}
        inside = world.inside
        await eventually(lambda: used not in backend.sessions)
        await eventually(lambda: inside.sessions == inside.snapshots == 0)
        assert (await client.post(PING)).status_code == 404
        assert backend.deletes[-1].headers["x-api-key"] == "k"


@pytest.mark.scenario("S-6")
@pytest.mark.parametrize("what", ["call", "stream"])
async def test_a_session_with_a_call_or_a_stream_that_lasts_longer_than_its_ttl_is_not_idle(what):
    backend = ScriptedBackend()
    came, hold = asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def answer(call):
        came.set()
        await hold.wait()
        return text("late")

    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.session() as client,
        contextlib.AsyncExitStack() as opened,
    ):
        inside = world.inside
        if what == "call":
            calling = asyncio.create_task(client.call("one_echo"))
            await came.wait()
        else:
            stream = await opened.enter_async_context(client.listening())
            await eventually(lambda: stream.comments)
        world.apply(sessionManagement=SHORT)
        await asyncio.sleep(0.8)  # four times as long as it may be idle
        assert inside.sessions == 1
        # What comes after it may take as long as a busy machine wants.
        world.apply(sessionManagement=LONG)
        if what == "call":
            hold.set()
            assert (await calling)["content"] == text("late")["content"]
        assert await client.result("ping") == {}
        await opened.aclose()
        world.apply(sessionManagement=SHORT)
        await eventually(lambda: inside.sessions == 0)


@pytest.mark.scenario("S-9")
async def test_caps_refuse_new_sessions_and_leave_the_others_alone():
    settings = {"maxSessionsPerPod": 2}
    async with (
        scene({"one": ScriptedBackend()}, sessionManagement=settings) as world,
        world.session() as first,
        world.session() as second,
        world.client() as third,
    ):
        answer = await third.post(initialize())
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert await first.result("ping") == {}
        await second.delete()
        await third.open()


@pytest.mark.scenario("S-1")
async def test_shutdown_ends_the_backend_sessions_of_a_proxy_without_a_shared_store():
    backend = ScriptedBackend()
    async with backend.running():
        async with scene({}) as world:
            world.apply({"one": backend})
            async with world.session() as client:
                await client.call("one_echo")
        await eventually(lambda: not backend.sessions)


async def test_two_hundred_sessions_that_came_and_went_leave_nothing():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world:

        async def cycle():
            async with world.client() as client:
                for _ in range(25):
                    client.session = ""
                    await client.open()
                    assert await client.delete() == 204

        await asyncio.gather(*(cycle() for _ in range(8)))
        inside = world.inside
        assert (len(inside.clients), inside.sessions, inside.snapshots) == (0, 0, 0)
