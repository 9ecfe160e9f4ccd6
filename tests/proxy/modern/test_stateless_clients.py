"""What is held for clients without a session, and for how long."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support import heap
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text
from tests.support.serving import http_backend
from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.auth.identity import ANONYMOUS
from vmcp_proxy.clients.stateless.clients import StatelessClients
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.protocol.methods import Era

CANARY = "canary-5b20e7"
GAUGE = "vmcp_stateless_clients"


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


@pytest.mark.scenario("H-11")
async def test_each_request_sends_its_own_headers_on():
    backend = everything()
    passed = {"passthroughHeaders": ["X-Api-Key"]}
    async with scene({"one": backend}, config=QUIET, **passed) as world, world.client() as client:
        for key in ("a", "b", "a"):
            await client.request("tools/call", {"name": "one_echo"}, x_api_key=key)
        await client.call("one_echo")
        assert (await world.metrics())[GAUGE] == 3
    sent = [heard.headers.get("x-api-key") for heard in backend.calls("tools/call")]
    assert sent == ["a", "b", "a", None]
    # Callers with other headers never share a session with a backend.
    sessions = [heard.session for heard in backend.calls("tools/call")]
    assert sessions[0] == sessions[2]
    assert len(set(sessions)) == 3


@pytest.mark.scenario("H-11")
async def test_requests_that_say_the_same_share_what_is_held_and_others_do_not():
    async with scene({"one": everything()}, config=QUIET) as world, world.client() as client:
        await client.call("one_echo")
        await client.names()
        assert (await world.metrics())[GAUGE] == 1
        client.capabilities = {"sampling": {}}
        await client.call("one_echo")
        assert (await world.metrics())[GAUGE] == 2


async def be_idle(world):
    world.apply(sessionManagement={"ttl": "200ms"})


async def give_way(world):
    world.apply(sessionManagement={"maxSessionsPerPod": 1})
    async with world.client() as other:
        await other.names()


async def follow_other_keys(world):
    world.inside.rotate(Keyring.random())


@pytest.mark.scenario("X-4", "H-11")
async def test_what_backends_do_not_hear_of_capabilities_makes_no_other_client_and_has_no_list_read():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        client.capabilities = {"sampling": {}, "elicitation": {"form": {}, "url": {}}}
        await client.names()
        asked = len(backend.calls("tools/list"))
        for capabilities in (
            {"elicitation": {"url": {}, "form": {}}, "sampling": {}},
            {"elicitation": {"form": {"applyDefaults": True}, "url": {"x": 1}}, "sampling": {"n": 7}, "tasks": {}},
            {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": None, "x-own": {"n": 1}},
        ):
            client.capabilities = capabilities
            assert await client.names() == ["one_echo"]
        assert len(backend.calls("tools/list")) == asked
        assert (await world.metrics())[GAUGE] == 1
        client.capabilities = {"sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}}
        await client.names()
        assert len(backend.calls("tools/list")) == asked + 1


@pytest.mark.scenario("H-6", "H-11")
@pytest.mark.parametrize("end", [be_idle, give_way, follow_other_keys])
async def test_nothing_in_the_process_holds_the_headers_of_a_client_that_is_over(end, monkeypatch):
    # A shorter idle time holds at once: nobody looks by himself before the test has given up.
    monkeypatch.setattr("vmcp_proxy.clients.stateless.clients._LONGEST_TICK", 3600.0)
    backend = everything()
    async with scene(
        {"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"], sessionManagement={"ttl": "1h"}
    ) as world:
        async with world.client(x_api_key=CANARY) as client:
            await client.names()
            await client.call("one_echo")
        assert heap.held_with(CANARY.encode())
        await end(world)
        await eventually(lambda: not [each for each in world.inside.stateless if each.snapshot])
        # The sessions opened for it have ended, with its own headers; the search, which holds the loop, comes after.
        await eventually(lambda: [heard.headers.get("x-api-key") for heard in backend.deletes] == [CANARY])
        await eventually(lambda: not heap.held_with(CANARY.encode()))


@pytest.mark.scenario("H-6", "H-11")
async def test_nothing_in_the_process_holds_the_headers_of_clients_of_a_proxy_that_has_ended():
    backend = everything()
    async with backend.running():
        async with scene(
            {}, extra=(http_backend("one", backend.port),), config=QUIET, passthroughHeaders=["X-Api-Key"]
        ) as world:
            async with world.client(x_api_key=CANARY) as client:
                await client.call("one_echo")
            assert heap.held_with(CANARY.encode())
        assert CANARY in {heard.headers.get("x-api-key") for heard in backend.deletes}
        # The proxy itself is still here, as the test's own.
        assert world.proxy is not None
        await eventually(lambda: not heap.held_with(CANARY.encode()))


@pytest.mark.scenario("H-11")
async def test_the_client_used_longest_ago_gives_way_but_not_under_a_call():
    backend, release = everything(), asyncio.Event()

    @backend.on("tools/call")
    async def wait(call):
        if call.heard.headers.get("x-api-key") == "slow":
            await release.wait()
        return text("done")

    settings = {"maxSessionsPerPod": 2}
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"], sessionManagement=settings) as world,
        world.client(x_api_key="slow") as slow,
        world.client() as client,
    ):
        message = slow.asking("tools/call", {"name": "one_echo"})
        async with slow.sending(message) as waiting:
            await eventually(lambda: backend.calls("tools/call"))
            for key in ("a", "b", "c"):
                await client.request("tools/call", {"name": "one_echo"}, x_api_key=key)
                assert (await world.metrics())[GAUGE] <= 2
            assert not [each for each in backend.deletes if each.headers.get("x-api-key") == "slow"]
            release.set()
            assert slow.read(await waiting)["result"]["content"][0]["text"] == "done"
        await eventually(lambda: [each for each in backend.deletes if each.headers.get("x-api-key") == "slow"])


@pytest.mark.scenario("H-11")
async def test_a_backend_that_leaves_or_moves_loses_its_sessions_and_the_rest_stay():
    one, two = everything(), ScriptedBackend()
    async with scene({"one": one, "two": two}, config=QUIET) as world, world.client() as client:
        await client.call("one_echo")
        await client.call("two_echo")
        world.apply({"one": one})
        await eventually(lambda: len(two.deletes) >= 1)
        await client.call("one_echo")
        assert len({heard.session for heard in one.calls("tools/call")}) == 1
    assert not [heard for heard in one.deletes if heard.session not in {call.session for call in one.heard}]


@pytest.mark.scenario("H-11")
async def test_a_client_that_never_pauses_does_not_give_way_to_newcomers():
    async with asyncio.TaskGroup() as tasks:
        clients = StatelessClients(tasks, Hearing(Reach()), lambda _backend, _reason: None)
        clients.configure(SessionManagement(max_sessions_per_pod=2))

        def request(capabilities, now):
            client = clients.begin(ANONYMOUS, EMPTY_SNAPSHOT, capabilities, now)
            clients.end(client, now)
            return client

        busy, idle = request(b"{}", 0.0), request(b'{"roots":{}}', 0.1)
        for tenths in range(2, 50, 4):
            assert request(b"{}", tenths / 10) is busy
        request(b'{"sampling":{}}', 5.0)
        assert busy in clients.all()
        assert idle not in clients.all()
