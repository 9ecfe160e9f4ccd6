"""Rate limits as a client meets them: which requests take a token of which bucket, and what is answered without one."""

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.proxy.endpoint.test_layers import counted
from tests.support.callers import BySubject
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

SECONDS = 3600
READ = ("resources/read", {"uri": "test://a"})
PROMPT = ("prompts/get", {"name": "one_ask"})
COMPLETE = ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}})
ECHO = ("tools/call", {"name": "one_echo", "arguments": {}})


def bucket(tokens, seconds=SECONDS):
    return {"maxTokens": tokens, "refillPeriod": f"{seconds}s"}


def limits(**settings):
    return {**QUIET, "rateLimiting": settings}


async def asked(client, method, params):
    """The status, and the error where there is one."""
    answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    return answer.status_code, answer.json().get("error")


async def statuses(client, *requests):
    return [(await asked(client, *each))[0] for each in requests]


async def decisions(world):
    return counted(await world.metrics(), "vmcp_rate_limit_decisions_total")


@pytest.mark.scenario("R-1")
async def test_the_answer_to_what_is_asked_too_often_says_so_and_when_to_come_back():
    async with scene({"one": everything()}, config=limits(shared=bucket(1, 90))) as world, world.session() as client:
        assert (await client.call("one_echo"))["content"]
        answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": ECHO[0], "params": ECHO[1]})
    seconds = int(answer.headers["retry-after"])
    assert 80 < seconds <= 90
    assert answer.status_code == 429
    assert answer.json() == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {
            "code": 429,
            "message": f"This endpoint is asked more often than it may be; try again in {seconds} s.",
            "data": {"retryAfterSeconds": seconds, "limit": "shared"},
        },
    }


@pytest.mark.scenario("R-1")
async def test_calls_reads_prompts_completions_and_subscriptions_take_a_token_and_the_rest_is_free():
    backend = everything()
    backend.offers["resources"] = {"subscribe": True}
    uri = {"uri": "test://a"}

    @backend.on("resources/subscribe")
    @backend.on("resources/unsubscribe")
    async def subscribe(_call):
        return {}

    free = [
        ("ping", {}),
        ("logging/setLevel", {"level": "info"}),
        *((f"{kind}/list", {}) for kind in ("tools", "resources", "resources/templates", "prompts")),
    ]
    dear = [ECHO, READ, PROMPT, COMPLETE, ("resources/subscribe", uri), ("tools/call", {"name": "nobody's"})]
    async with (
        scene({"one": backend}, config=limits(shared=bucket(len(dear)))) as world,
        world.session() as client,
    ):
        assert await statuses(client, *free, *dear) == [200] * (len(free) + len(dear))
        assert await statuses(client, *dear) == [429] * len(dear)
        assert await statuses(client, *free, ("resources/unsubscribe", uri)) == [200] * (len(free) + 1)
        async with world.session() as other:
            assert await other.names() == ["one_echo"]
    assert len(backend.calls("tools/call")) == 1


@pytest.mark.scenario("R-1", "R-2")
async def test_each_user_and_each_tool_has_buckets_of_its_own_and_a_rejected_call_drains_no_other():
    backend = ScriptedBackend(tools=[tool("a"), tool("b")])
    config = limits(
        shared=bucket(6),
        perUser=bucket(3),
        tools=[{"name": "one_a", "shared": bucket(3), "perUser": bucket(2)}],
    )
    call_a, call_b = (("tools/call", {"name": f"one_{name}", "arguments": {}}) for name in "ab")
    async with scene({"one": backend}, config=config) as world:
        with world.inside.authenticated_by(BySubject()):
            world.apply()
        async with (
            world.session(authorization="Bearer alice") as alice,
            world.session(authorization="Bearer alice") as again,
            world.session(authorization="Bearer bob") as bob,
        ):
            assert await statuses(alice, call_a, call_a) == [200, 200]
            status, error = await asked(again, *call_a)
            assert (status, error["data"]["limit"]) == (429, "tool_per_user")
            assert error["message"].startswith("You have called this tool as often as you may; ")
            # Had the refused calls cost anything, nothing would be left of her three.
            assert await statuses(again, *[call_a] * 5, call_b, call_b) == [429] * 5 + [200, 429]
            status, error = await asked(alice, *call_b)
            assert (status, error["data"]["limit"]) == (429, "per_user")
            assert await statuses(bob, call_a) == [200]
            status, error = await asked(bob, *call_a)
            assert (status, error["data"]["limit"]) == (429, "tool_shared")
            assert await statuses(bob, call_b, call_b) == [200, 200]
        async with world.session(authorization="Bearer carol") as carol:
            status, error = await asked(carol, *call_b)
            assert (status, error["data"]["limit"]) == (429, "shared")
        found = await decisions(world)
    assert found == {
        '{limit="shared",outcome="allowed"}': 6,
        '{limit="per_user",outcome="allowed"}': 6,
        '{limit="tool_shared",outcome="allowed"}': 3,
        '{limit="tool_per_user",outcome="allowed"}': 3,
        '{limit="tool_per_user",outcome="limited"}': 6,
        '{limit="per_user",outcome="limited"}': 2,
        '{limit="tool_shared",outcome="limited"}': 1,
        '{limit="shared",outcome="limited"}': 1,
    }
