"""What no list has is not read by a spelling that policies about URIs cannot tell the meaning of (ADR-0041)."""

import contextlib

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_handed_out import handing_out, link, plain
from tests.proxy.endpoint.test_subscriptions import UPDATED
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import tool

pytestmark = pytest.mark.scenario("Z-3", "Z-7")

ODD = ["public/../secret", "public/%2e%2e/secret", "public/..%2fsecret", "public/%252e%252e%252fsecret", "public/x#y"]
ASKING = ("resources/read", "resources/subscribe")


def permits(*beginnings):
    conditions = [f'resource.uri like "{each}public/*"' for each in beginnings]
    texts = ['permit(principal, action in [Action::"call_tool", Action::"get_prompt"], resource);']
    texts += [
        f'permit(principal, action == Action::"read_resource", resource) when {{ {each} }};' for each in conditions
    ]
    return {"mode": "Enforce", "policies": texts}


POLICIES = permits("file:///", "ui://")


def subscribable(backend):
    backend.offers["resources"] = {"subscribe": True}

    @backend.on("resources/subscribe")
    async def subscribe(_call):
        return {}

    return backend


@contextlib.asynccontextmanager
async def session(backends, authorization=POLICIES):
    made = {name: subscribable(each) for name, each in backends.items()}
    async with scene(made, config=QUIET, authorization=authorization) as world, world.session() as client:
        yield world, client


async def outcomes(client, uri):
    """Whether it is read, and subscribed to."""
    found = []
    for method in ASKING:
        answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"uri": uri}})
        found.append("result" in answer.json() or answer.json()["error"]["code"])
    return found


def asked(backend):
    return [heard.message["params"]["uri"] for method in ASKING for heard in backend.calls(method)]


async def told(world, uri):
    said = await world.explain(uri, kind="resource")
    return said["conclusion"], [each["reason"] for chain in said["chains"] for each in chain["steps"]]


async def is_denied(world, client, uri, *backends):
    assert await outcomes(client, uri) == [403, 403]
    assert [each for backend in backends for each in asked(backend)] == []
    conclusion, reasons = await told(world, uri)
    return conclusion == "denied" and any("a backend may take it for another URI" in each for each in reasons)


@pytest.mark.parametrize("rest", ODD)
async def test_the_only_backend_with_resources_is_not_asked_for_it(rest):
    one = plain("one")
    async with session({"one": one}) as (world, client):
        assert await is_denied(world, client, f"file:///{rest}", one)
        assert await is_denied(world, client, f"ui://{rest}", one)
        assert await outcomes(client, "file:///public/plain") == [True, True]
        assert (await told(world, "file:///public/plain"))[0] == "allowed"


@pytest.mark.parametrize("rest", ODD)
@pytest.mark.parametrize("asking", [("tools/call", "two_echo"), ("prompts/get", "two_ask")])
async def test_a_link_that_was_handed_out_does_not_make_it_a_listed_one(rest, asking):
    uris = [f"file:///{rest}", "file:///public/plain"]
    one, two = plain("one"), handing_out(*(link(each) for each in uris), name="two")
    async with session({"one": one, "two": two}) as (_, client):
        await client.result(asking[0], {"name": asking[1]})
        assert [await outcomes(client, each) for each in uris] == [[403, 403], [True, True]]
        assert (asked(one), asked(two)) == ([], [uris[1], uris[1]])


@pytest.mark.parametrize("rest", ODD)
async def test_a_uri_of_ours_does_not_make_it_a_listed_page(rest):
    one, two = plain("one"), plain("two")
    async with session({"one": one, "two": two}) as (world, client):
        assert await is_denied(world, client, f"ui://vmcp.dev/two/{rest}", one, two)
        assert await outcomes(client, "ui://vmcp.dev/two/public/plain") == [True, True]


@pytest.mark.parametrize("rest", ODD)
@pytest.mark.parametrize("is_contested", [False, True])
async def test_a_page_that_its_backend_lists_or_names_is_read_however_it_is_spelt(rest, is_contested):
    listed, named = f"ui://{rest}", f"ui://{rest}/named"
    offers = {
        "resources": [{"uri": listed, "name": "page"}],
        "tools": [tool("echo", _meta={"ui": {"resourceUri": named}})],
    }
    one, two = plain("one", **(offers if is_contested else {})), plain("two", **offers)
    # `like` compares what is written: these all begin with what is public.
    async with session({"one": one, "two": two}) as (_, client):
        for uri in (listed, named):
            ours = uri.replace("ui://", "ui://vmcp.dev/two/")
            assert await outcomes(client, ours) == [True, True]
            assert asked(two)[-1] == uri
            if not is_contested:
                assert await outcomes(client, uri) == [True, True]


async def test_updates_are_told_of_what_may_still_be_read():
    odd, plainly, page = "file:///public/../secret", "file:///public/plain", "ui://public/../page"
    handed = [link(odd), link(plainly)]
    one = handing_out(*handed, name="one", tools=[tool("echo", _meta={"ui": {"resourceUri": page}})])
    everything = {"mode": "Enforce", "policies": ["permit(principal, action, resource);"]}
    async with session({"one": one}, everything) as (world, client), client.listening() as stream:
        await client.call("one_echo")
        for uri in (odd, page, plainly):
            assert await outcomes(client, uri) == [True, True]
        await eventually(lambda: len(one.streams) == 2)
        world.apply(authorization=POLICIES)
        at = one.calls("resources/subscribe")[0].session
        for uri in (odd, page, plainly):
            one.push(UPDATED, at, uri=uri)
        told = [each["params"]["uri"] for each in await stream.until(UPDATED, 2)]
        assert told == [page, plainly]
