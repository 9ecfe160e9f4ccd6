"""What clients get while a member of the group is unhealthy."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import everything, use_everything
from tests.support.scene import operational, scene
from tests.support.serving import http_backend, load

DEAD = http_backend("dead", 1)


def settings(mode):
    return operational(failureHandling={"partialFailureMode": mode})


async def is_unhealthy(world):
    return {each["name"]: each["status"] for each in (await world.status())["backends"]}["dead"] == "unhealthy"


@pytest.mark.scenario("B-9")
async def test_best_effort_serves_the_rest_and_fail_serves_nothing_until_the_member_is_gone():
    backend = everything()
    async with (
        scene({"one": backend}, extra=(DEAD,), config=settings("best_effort")) as world,
        world.session() as client,
    ):
        assert await client.names() == ["one_echo"]
        async with asyncio.timeout(10):
            while not await is_unhealthy(world):
                continue
        await use_everything(client)
        heard = len(backend.heard)

        world.proxy.apply(reloaded(world, settings("fail"), (DEAD,)))
        for method, params in (
            ("tools/list", {}),
            ("resources/list", {}),
            ("resources/templates/list", {}),
            ("prompts/list", {}),
            ("tools/call", {"name": "one_echo"}),
            ("resources/read", {"uri": "test://a"}),
            ("resources/read", {"uri": "test://t/1"}),
            ("prompts/get", {"name": "one_ask"}),
            ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}}),
            ("resources/subscribe", {"uri": "test://a"}),
            ("resources/unsubscribe", {"uri": "test://a"}),
        ):
            error = (await client.request(method, params))["error"]
            assert error["code"] == -32603
            assert "'dead' is unhealthy" in error["message"]
            assert error["data"] == {"vmcp.dev/backend": "dead", "vmcp.dev/category": "unreachable"}
        assert {each.method for each in backend.heard[heard:] if each.verb == "POST"} <= {"ping"}
        assert await client.result("ping") == {}

        world.proxy.apply(reloaded(world, settings("fail"), ()))
        assert await client.names() == ["one_echo"]
        await use_everything(client)


def reloaded(world, config, extra):
    live = [each for each in world.config["backends"] if each["name"] != "dead"]
    return load({**world.config, "config": config, "backends": [*live, *extra]})


@pytest.mark.scenario("B-9")
@pytest.mark.parametrize("mode", ["best_effort", "fail"])
async def test_a_member_whose_secret_is_missing_is_named_and_counts_as_missing(mode):
    secret = [{"headerName": "X-S", "valueSecretRef": {"name": "s", "key": "k"}}]
    more = {"lacking": {"headerForward": {"addHeadersFromSecret": secret}}}
    backends = {"one": everything(), "lacking": everything()}
    async with scene(backends, more=more, config=settings(mode)) as world, world.session() as client:
        answer = await client.request("tools/list")
        if mode == "fail":
            assert "'lacking' is not served" in answer["error"]["message"]
            assert answer["error"]["data"]["vmcp.dev/category"] == "withheld"
            assert "one" not in answer["error"]["message"].replace("none", "")
        else:
            assert [each["name"] for each in answer["result"]["tools"]] == ["one_echo"]
            assert answer["result"]["_meta"]["vmcp.dev/serverOutcomes"]["lacking"]["status"] == "withheld"
        assert "valueSecretRef" not in str(answer)
        assert backends["lacking"].heard == []


@pytest.mark.scenario("B-9", "Z-2")
@pytest.mark.parametrize(("reached", "data"), [("lacking", "lacking"), ("one", "")])
async def test_which_backend_is_lacking_is_told_to_those_who_could_use_it(reached, data):
    secret = [{"headerName": "X-S", "valueSecretRef": {"name": "s", "key": "k"}}]
    more = {"lacking": {"headerForward": {"addHeadersFromSecret": secret}}}
    policies = {"mode": "Enforce", "policies": [f'permit(principal, action, resource in Backend::"{reached}");']}
    backends = {"one": everything(), "lacking": everything()}
    async with (
        scene(backends, more=more, config=settings("fail"), authorization=policies) as world,
        world.session() as client,
    ):
        error = (await client.request("tools/list"))["error"]
        assert error["data"]["vmcp.dev/backend"] == data
        assert ("lacking" in error["message"]) is bool(data)
