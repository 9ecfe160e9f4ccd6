"""Rate limits as a client meets them: which requests take a token of which bucket, and what is answered without one."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.proxy.endpoint.test_apps import app
from tests.proxy.endpoint.test_layers import counted, events_in
from tests.support.callers import BySubject
from tests.support.eras import Era
from tests.support.policies import NamePolicy
from tests.support.raw_client import eventually, initialize
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


async def codes(client, *requests):
    """The code of the error that each request gets, or 200."""
    answers = [await asked(client, *each) for each in requests]
    return [status if error is None else error["code"] for status, error in answers]


async def decisions(world):
    return counted(await world.metrics(), "vmcp_rate_limit_decisions_total")


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("R-1")
async def test_the_answer_to_what_is_asked_too_often_says_so_and_when_to_come_back():
    async with scene({"one": everything()}, config=limits(shared=bucket(1, 90))) as world, world.session() as client:
        assert (await client.call("one_echo"))["content"]
        answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": ECHO[0], "params": ECHO[1]})
    seconds = int(answer.headers["retry-after"])
    assert 80 < seconds <= 90
    assert answer.status_code == 200
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
        *((f"{kind}/list", {}) for kind in ("tools", "resources", "resources/templates", "prompts")),
    ]
    dear = [
        ("logging/setLevel", {"level": "info"}),
        ECHO,
        READ,
        PROMPT,
        COMPLETE,
        ("resources/subscribe", uri),
        ("tools/call", {"name": "nobody's"}),
    ]
    async with (
        scene({"one": backend}, config=limits(shared=bucket(len(dear)))) as world,
        world.session() as client,
    ):
        assert await codes(client, *free, *dear) == [200] * (len(free) + len(dear) - 1) + [-32602]
        assert await codes(client, *dear) == [429] * len(dear)
        assert await codes(client, *free, ("resources/unsubscribe", uri)) == [200] * (len(free) + 1)
        async with world.session() as other:
            assert await other.names() == ["one_echo"]
    assert len(backend.calls("tools/call")) == 1


@pytest.mark.usefixtures("both_eras")
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
            assert await codes(alice, call_a, call_a) == [200, 200]
            _, error = await asked(again, *call_a)
            assert (error["code"], error["data"]["limit"]) == (429, "tool_per_user")
            assert error["message"].startswith("You have called this tool as often as you may; ")
            # Had the refused calls cost anything, nothing would be left of her three.
            assert await codes(again, *[call_a] * 5, call_b, call_b) == [429] * 5 + [200, 429]
            _, error = await asked(alice, *call_b)
            assert (error["code"], error["data"]["limit"]) == (429, "per_user")
            assert await codes(bob, call_a) == [200]
            _, error = await asked(bob, *call_a)
            assert (error["code"], error["data"]["limit"]) == (429, "tool_shared")
            assert await codes(bob, call_b, call_b) == [200, 200]
        async with world.session(authorization="Bearer carol") as carol:
            _, error = await asked(carol, *call_b)
            assert (error["code"], error["data"]["limit"]) == (429, "shared")
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


class NobodyMay(NamePolicy):
    """Lets nobody call what has `b` in its name."""

    def admits(self, identity, action, capability, name):
        return "b" not in name


@pytest.mark.usefixtures("both_eras")
async def test_what_is_denied_costs_nothing():
    backend = ScriptedBackend(tools=[tool("a"), tool("b")])
    call_a, call_b = (("tools/call", {"name": f"x_{name}", "arguments": {}}) for name in "ab")
    async with (
        scene({"x": backend}, config=limits(shared=bucket(1)), admitter=NobodyMay()) as world,
        world.session() as client,
    ):
        assert await codes(client, *[call_b] * 3, call_a, call_a, call_b) == [403, 403, 403, 200, 429, 403]


@pytest.mark.usefixtures("both_eras")
async def test_a_list_takes_a_token_only_where_a_backend_has_to_be_asked_for_it():
    backend = everything()
    async with (
        scene({"one": backend}, config=limits(shared=bucket(2))) as world,
        world.session() as client,
    ):
        assert await client.names() == ["one_echo"]
        for _ in range(2):
            world.inside.outdate_lists()
            assert await client.names() == ["one_echo"]
            assert await client.names("prompts") == ["one_ask"]
        world.inside.outdate_lists()
        heard = len(backend.calls("tools/list"))
        _, error = await asked(client, "tools/list", {})
        assert (error["code"], error["data"]["limit"]) == (429, "shared")
        assert len(backend.calls("tools/list")) == heard
        assert await decisions(world) == {
            '{limit="shared",outcome="allowed"}': 2,
            '{limit="shared",outcome="limited"}': 1,
        }


@pytest.mark.usefixtures("both_eras")
async def test_a_tool_that_a_page_calls_by_its_own_name_is_limited_like_by_the_other():
    config = limits(tools=[{"name": "clock_tick", "shared": bucket(2)}])
    by_own, by_exposed = (("tools/call", {"name": name, "arguments": {}}) for name in ("tick", "clock_tick"))
    async with scene({"clock": app("clock")}, config=config) as world, world.session() as client:
        assert await codes(client, by_own, by_exposed, by_own, by_exposed) == [200, 200, 429, 429]


@pytest.mark.scenario("R-1")
async def test_in_a_batch_each_message_is_limited_for_itself_and_the_error_stands_in_the_array():
    calls = [{"jsonrpc": "2.0", "id": n, "method": ECHO[0], "params": ECHO[1]} for n in range(3)]
    async with scene({"one": everything()}, config=limits(shared=bucket(2))) as world, world.client() as client:
        opened = await client.post(initialize("2025-03-26"))
        client.session = opened.headers["mcp-session-id"]
        answer = await client.post(calls)
    assert answer.status_code == 200
    errors = [each["error"] for each in answer.json() if "error" in each]
    assert [(error["code"], error["data"]["limit"]) for error in errors] == [(429, "shared")]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("R-1")
async def test_a_stream_that_has_begun_brings_the_error_as_its_last_event():
    slow, released = ScriptedBackend(), asyncio.Event()

    @slow.on("tools/list")
    async def hold(_call):
        await released.wait()
        return {"tools": [tool("echo")]}

    config = limits(shared=bucket(1))
    config["operational"] = {**config["operational"], "keepAliveInterval": "50ms", "timeouts": {"list": "50ms"}}
    async with scene({"one": everything(), "slow": slow}, config=config) as world, world.session() as client:
        # The only token; on a busy machine the answer to this comes as a stream, too.
        method, params = ECHO
        spent = await client.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert '"called echo"' in spent.text
        async with client.posting("tools/call", {"name": "slow_echo", "arguments": {}}) as stream:
            await eventually(lambda: stream.comments)
            released.set()
            answer = await stream.answer()
    assert answer["error"]["code"] == 429
    assert answer["error"]["data"]["retryAfterSeconds"] > 0


@pytest.mark.scenario("C-7")
async def test_the_audit_says_that_it_was_too_often_and_no_denial(tmp_path, both_eras):
    path = tmp_path / "audit.log"
    config = {**limits(shared=bucket(1)), "audit": {"enabled": True, "sink": "file", "path": str(path)}}
    async with scene({"one": everything()}, config=config) as world, world.session() as client:
        assert await codes(client, ECHO, ECHO) == [200, 429]
    opening = 2 if both_eras is Era.LEGACY else 1
    *_, served, limited = await events_in(path, opening + 2)
    assert (served["outcome"], served["rejected_by"]) == ("success", "")
    assert (limited["outcome"], limited["rejected_by"], limited["status"]) == ("denied", "rate_limit", 200)
    assert limited["target"] == {"method": "tools/call", "name": "one_echo"}


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("D-4")
async def test_an_edit_begins_the_buckets_that_it_changes_anew_and_leaves_the_others_as_they_are():
    async with (
        scene({"one": everything()}, config=limits(shared=bucket(2))) as world,
        world.session() as client,
    ):
        assert await codes(client, ECHO, ECHO, ECHO) == [200, 200, 429]
        world.apply(config=limits(shared=bucket(2), tools=[{"name": "one_echo", "shared": bucket(5)}]))
        assert await codes(client, ECHO) == [429]
        world.apply(config=limits(shared=bucket(3)))
        assert await codes(client, *[ECHO] * 4) == [200, 200, 200, 429]
        world.apply(config=QUIET)
        assert await codes(client, *[ECHO] * 4) == [200] * 4
        assert "rateLimits" not in await world.status()
        world.apply(config=limits(shared=bucket(2)))
        assert await codes(client, ECHO) == [429]
        assert (await world.status())["rateLimits"] == {"state": "ok", "message": ""}


@pytest.mark.usefixtures("both_eras")
async def test_explain_names_the_limits_and_takes_nothing():
    config = limits(shared=bucket(1), tools=[{"name": "one_echo", "shared": bucket(60, 90)}])
    async with scene({"one": everything()}, config=config) as world, world.session() as client:
        await client.names()
        for _ in range(3):
            steps = (await world.explain("one_echo"))["chains"][0]["steps"]
        said = {step["stage"]: step["reason"] for step in steps}
        expected = (
            "limited to 1 in 1h for all callers together, 60 in 1m30s for this tool; what is left is not looked at"
        )
        assert said["limit"] == expected
        (of_prompt,) = [
            step["reason"]
            for step in (await world.explain("one_ask", kind="prompt"))["chains"][0]["steps"]
            if step["stage"] == "limit"
        ]
        assert of_prompt == "limited to 1 in 1h for all callers together; what is left is not looked at"
        assert await codes(client, ECHO) == [200]


@pytest.mark.usefixtures("both_eras")
async def test_limits_of_tools_that_nobody_serves_are_told_once_every_list_is_known():
    released, slow = asyncio.Event(), ScriptedBackend()

    @slow.on("tools/list")
    async def hold(_call):
        await released.wait()
        return {"tools": [tool("echo")]}

    names = ("one_echo", "two_echo", "one_eco")
    config = limits(tools=[{"name": name, "shared": bucket(5)} for name in names])
    config["operational"] = {**config["operational"], "timeouts": {"list": "50ms"}}
    async with scene({"one": everything(), "two": slow}, config=config) as world, world.session() as client:
        await client.names()
        assert (await world.status())["unmatched"] == []
        released.set()
        async with asyncio.timeout(45):
            while not (unmatched := (await world.status())["unmatched"]):
                await client.names()
    assert unmatched == [{"backend": "", "setting": "rateLimiting", "name": "one_eco"}]


def asked_of(backends):
    """What backends were asked; the ends of sessions that lists were read in may come later."""
    return [[each.method for each in backend.heard if each.verb != "DELETE"] for backend in backends.values()]


async def test_without_a_token_new_headers_with_each_call_have_no_backend_asked(both_eras):
    backends = {"one": everything(), "two": everything()}
    asks = [ECHO, READ, ("tools/list", {})]
    if both_eras is Era.LEGACY:
        asks.append(("resources/unsubscribe", {"uri": "test://a"}))
    headers = {"passthroughHeaders": ["X-Api-Key"], "passthroughHeaderMode": "Request"}
    async with scene(backends, config=limits(shared=bucket(2)), **headers) as world, world.session() as client:
        assert await codes(client, ECHO) == [200]
        answer = await client.request(ECHO[0], ECHO[1], **{"X-Api-Key": "new"})
        assert "result" in answer, "one token for the look-up and the call together"
        before = asked_of(backends)
        for number in range(20):
            for method, params in asks:
                answer = await client.request(method, params, **{"X-Api-Key": f"k{number}"})
                assert answer["error"]["code"] == 429
        assert asked_of(backends) == before


@pytest.mark.usefixtures("both_eras")
async def test_a_call_that_was_charged_before_its_look_up_takes_its_tools_token_too():
    settings = {"shared": bucket(50), "tools": [{"name": "one_echo", "shared": bucket(2)}]}
    headers = {"passthroughHeaders": ["X-Api-Key"], "passthroughHeaderMode": "Request"}
    async with scene({"one": everything()}, config=limits(**settings), **headers) as world, world.session() as client:
        answers = [await client.request(ECHO[0], ECHO[1], **{"X-Api-Key": f"k{n}"}) for n in range(3)]
        assert [each.get("error", {}).get("code") for each in answers] == [None, None, 429]
        assert answers[2]["error"]["data"]["limit"] == "tool_shared"


async def test_to_unsubscribe_from_what_nobody_subscribed_to_costs_a_token_and_no_backend_is_asked_without_one():
    backend = everything()
    backend.offers["resources"] = {"subscribe": True}
    uri = {"uri": "test://a"}

    @backend.on("resources/subscribe")
    @backend.on("resources/unsubscribe")
    async def subscribe(_call):
        return {}

    async with scene({"one": backend}, config=limits(shared=bucket(2))) as world, world.session() as client:
        assert await codes(client, ("resources/unsubscribe", uri), ("resources/subscribe", uri)) == [200, 200]
        assert await codes(client, *[("resources/unsubscribe", uri)] * 3) == [200, 429, 429]
        assert len([each for each in backend.heard if each.method == "resources/unsubscribe"]) == 2
