"""Where the proxy may not go: other origins, other networks. Nothing is sent there; status and client hear why."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything, use_everything
from tests.support.relay import Relay
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, Status
from tests.support.serving import http_backend
from vmcp_api.config import Network

CANARY = "canary-51e0"
OUTCOMES = "vmcp.dev/serverOutcomes"
SENSITIVE = {
    "more": {"one": {"headerForward": {"addPlaintextHeaders": {"X-Static": CANARY}}}},
    "passthroughHeaders": ["X-Api-Key"],
}


async def backend_of(world, name):
    """What the status says of one backend, once it says anything."""
    async with asyncio.timeout(10):
        while True:
            found = {each["name"]: each for each in (await world.status())["backends"]}[name]
            if found["status"] != "unknown":
                return found


@contextlib.asynccontextmanager
async def another_origin():
    async with ScriptedBackend().running() as other:
        yield other


@pytest.mark.scenario("B-5")
@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:{port}/mcp", "//127.0.0.1:{port}/mcp", "http://localhost:{port}/mcp"]
)
async def test_a_call_that_is_redirected_to_another_origin_fails_and_no_header_arrives_there(location):
    backend = everything()
    async with (
        another_origin() as other,
        scene({"one": backend}, config=QUIET, **SENSITIVE) as world,
        world.session(x_api_key=CANARY) as client,
    ):
        assert await client.names() == ["one_echo"]

        async def redirect(call):
            raise Status(307, {"location": location.format(port=other.port)})

        for method in ("tools/call", "resources/read", "prompts/get"):
            backend.handlers[method] = redirect
        result = await client.call("one_echo")
        read = (await client.request("resources/read", {"uri": "test://a"}))["error"]
        got = (await client.request("prompts/get", {"name": "one_ask"}))["error"]
        assert result["_meta"] == read["data"] == got["data"]
        assert result["_meta"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "refused"}
        message = result["content"][0]["text"]
        assert "'one'" in message
        assert "leads to another origin" in message
        assert message == read["message"] == got["message"]
        assert str(other.port) not in message
        # What one tool brings about says nothing of its backend.
        assert (await backend_of(world, "one"))["status"] == "healthy"
        assert backend.calls("tools/call")[0].headers["x-api-key"] == CANARY
        assert backend.calls("tools/call")[0].headers["x-static"] == CANARY
        assert other.heard == []
        backend.handlers.clear()
        assert (await client.call("one_echo"))["content"]


@pytest.mark.scenario("B-5", "A-10")
async def test_a_backend_that_redirects_everything_elsewhere_is_missing_with_the_reason():
    backend = ScriptedBackend()
    async with another_origin() as other:

        @backend.on("initialize")
        async def redirect(call):
            raise Status(308, {"location": f"http://127.0.0.1:{other.port}/mcp"})

        async with (
            scene({"one": backend, "fine": ScriptedBackend()}, config=QUIET, **SENSITIVE) as world,
            world.session(x_api_key=CANARY) as client,
        ):
            listed = await client.result("tools/list")
            assert [each["name"] for each in listed["tools"]] == ["fine_echo"]
            assert "another origin" in json.dumps(listed["_meta"][OUTCOMES]["one"])
            said = await backend_of(world, "one")
            assert said["status"] == "unhealthy"
            # Operators learn where it leads; callers do not.
            assert f"it leads to another origin, http://127.0.0.1:{other.port})" in said["message"]
            assert str(other.port) not in json.dumps(listed)
        assert other.heard == []


@pytest.mark.scenario("B-5")
async def test_redirects_within_the_origin_are_followed_with_all_headers_for_every_request():
    backend = everything()
    answer, redirected = backend._answer, {}

    async def redirect_first(heard, reader, write):
        key = (heard.verb, heard.session, heard.headers.get("x-api-key"), json.dumps(heard.message))
        if key not in redirected:
            redirected[key] = heard
            raise Status(307, {"location": "/elsewhere/"})
        first = redirected[key]
        assert (heard.verb, heard.message, heard.headers) == (first.verb, first.message, first.headers)
        await answer(heard, reader, write)

    backend._answer = redirect_first
    async with (
        scene({"one": backend}, config=QUIET, **SENSITIVE) as world,
        world.session(x_api_key=CANARY) as client,
    ):
        await use_everything(client)
        await client.delete()
        assert {verb for verb, *_ in redirected} == {"POST", "GET", "DELETE"}
        assert len(backend.heard) >= 2 * len(redirected) - 1
        assert [each.headers["x-api-key"] for each in backend.calls("tools/call")] == [CANARY] * 2


ADDRESSES = ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "127.1", "169.254.169.254", "0.0.0.0")
SAID = {"169.254.169.254": "a cloud metadata address", "0.0.0.0": "an unspecified address"}


@pytest.mark.scenario("B-6")
@pytest.mark.parametrize("network", [Network.PUBLIC, Network.PRIVATE, Network.CLUSTER])
async def test_a_backend_that_leads_to_a_forbidden_address_is_missing_with_the_reason_and_hears_nothing(network):
    target = ScriptedBackend()
    async with target.running():
        names = {f"b{number}": address for number, address in enumerate(ADDRESSES)}
        documents = tuple(
            http_backend(name, target.port, network=network.value, url=f"http://{address}:{target.port}/mcp")
            for name, address in names.items()
        )
        fine = {"fine": ScriptedBackend()}
        async with scene(fine, extra=documents, config=QUIET) as world, world.session() as client:
            listed = await client.result("tools/list")
            assert [each["name"] for each in listed["tools"]] == ["fine_echo"]
            for name, address in names.items():
                said = await backend_of(world, name)
                assert said["status"] == "unhealthy"
                reason = f"{SAID.get(address, 'a loopback address')}, which network `{network}` may not dial"
                assert reason in said["message"]
                assert reason in json.dumps(listed["_meta"][OUTCOMES][name])
                assert address.strip("[]") not in said["message"]
        assert target.heard == []


@pytest.mark.scenario("B-6")
async def test_a_name_that_moves_to_a_forbidden_address_later_is_refused_in_the_middle_of_a_session():
    """What was checked once counts for nothing: each connection is judged by the address that it goes to."""
    backend = ScriptedBackend()
    answers = {"address": "127.0.0.1"}

    async def resolve(host, port):
        assert host == "moving.example"
        return [answers["address"]]

    async with backend.running(), Relay(backend.port).running() as relay, scene({}, config=QUIET) as world:
        with world.inside.replaced("resolve_host", resolve):
            world.config["backends"] = [http_backend("one", 0, url=f"http://moving.example:{relay.port}/mcp")]
            world.apply()
            async with world.session() as client:
                assert await client.names() == ["one_echo"]
                assert (await client.call("one_echo"))["content"]
                answers["address"] = "::ffff:169.254.169.254"
                assert relay.cut() > 0
                # A request that went out on a connection as it broke may have been read: it is not sent again.
                async with asyncio.timeout(10):
                    while (result := await client.call("one_echo"))["_meta"]["vmcp.dev/category"] == "unreachable":
                        pass
                opened = relay.opened
                for _ in range(2):
                    result = await client.call("one_echo")
                    assert result["_meta"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "refused"}
                    assert "a cloud metadata address" in result["content"][0]["text"]
                assert len(backend.calls("tools/call")) == 1
                assert relay.opened == opened

                answers["address"] = "127.0.0.1"
                assert (await client.call("one_echo"))["content"][0]["text"] == "called echo"
