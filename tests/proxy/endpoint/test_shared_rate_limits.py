"""Rate limits of several pods with one Redis, and without it."""

import asyncio
import logging

import pytest

from tests.proxy.endpoint.helpers import everything
from tests.proxy.endpoint.test_rate_limits import asked, bucket, codes, decisions, limits
from tests.proxy.endpoint.test_two_pods import pod
from tests.support.callers import BySubject
from tests.support.eras import Era
from tests.support.redis_server import Monitor
from tests.support.serving import load
from vmcp_proxy.limits import redis as redis_module
from vmcp_proxy.run.parts.limits import has_unshared_users


@pytest.fixture
def patience(monkeypatch):
    """A busy machine is no fault of Redis where that is not what is looked at."""
    monkeypatch.setattr(redis_module, "DECISION_SECONDS", 30.0)


@pytest.mark.scenario("R-1", "H-7")
@pytest.mark.usefixtures("patience")
async def test_pods_share_the_buckets_of_users_whose_names_redis_never_hears(both_eras, redis_server):
    config = limits(perUser=bucket(3), tools=[{"name": "b0_echo", "perUser": bucket(2)}])
    call = ("tools/call", {"name": "b0_echo", "arguments": {}})
    backend = everything()
    async with (
        backend.running(),
        pod(redis_server, backend, config=config) as a,
        pod(redis_server, backend, config=config) as b,
        Monitor(redis_server) as monitor,
    ):
        for world in (a, b):
            with world.inside.authenticated_by(BySubject()):
                world.apply()
        async with (
            a.session(authorization="Bearer alice-canary") as here,
            b.session(authorization="Bearer alice-canary") as there,
            b.session(authorization="Bearer bob-canary") as other,
        ):
            assert await codes(here, call) == [200]
            assert await codes(there, call, call) == [200, 429]
            assert await codes(here, call) == [429]
            assert await codes(other, call, call, call) == [200, 200, 429]
        said = b"\n".join(await monitor.lines())
    assert b"vmcp:session:rl:{default/test}:user:" in said
    assert b"canary" not in said
    assert b"idp.example" not in said


@pytest.mark.usefixtures("patience")
async def test_a_request_without_limits_makes_no_round_trip_and_another_makes_one(redis_server):
    backend = everything()
    config = limits(tools=[{"name": "b0_echo", "shared": bucket(100)}])
    call = ("tools/call", {"name": "b0_echo", "arguments": {}})
    prompt = ("prompts/get", {"name": "b0_ask"})
    async with (
        backend.running(),
        pod(redis_server, backend, config=config) as world,
        world.session(x_api_key="k") as client,
    ):
        assert await codes(client, call) == [200]
        async with Monitor(redis_server) as monitor:
            assert await codes(client, *[prompt] * 5) == [200] * 5
            assert not [line for line in await monitor.lines() if b"EVALSHA" in line]
            assert await codes(client, *[call] * 5) == [200] * 5
            assert len([line for line in await monitor.lines() if b"EVALSHA" in line]) == 5


@pytest.mark.scenario("R-3", "R-4")
@pytest.mark.parametrize("policy", ["allow", "deny"])
async def test_while_redis_is_stalled_the_settings_say_what_becomes_of_requests(
    both_eras, own_redis, monkeypatch, caplog, policy
):
    monkeypatch.setattr(redis_module, "DECISION_SECONDS", 5.0)
    caplog.set_level(logging.INFO)
    backend = everything()
    # One for the session, which begins with headers of its own, and one for the call.
    config = limits(shared=bucket(2), onStoreFailure=policy)
    call = ("tools/call", {"name": "b0_echo", "arguments": {}})
    async with (
        backend.running(),
        pod(own_redis, backend, config=config) as world,
        world.session(x_api_key="k") as client,
    ):
        assert (await world.status())["rateLimits"]["state"] == "ok"
        assert await codes(client, call, call) == [200, 429]
        monkeypatch.setattr(redis_module, "DECISION_SECONDS", 0.2)
        own_redis.freeze()
        answers = await asyncio.gather(*(asked(client, *call) for _ in range(20)))
        state = (await world.status())["rateLimits"]
        assert state["state"] == "unavailable"
        assert state["message"].startswith("Redis ")
        assert (await world.metrics())["vmcp_rate_limits_up"] == 0
        explained = await world.explain("b0_echo")
        step = next(each for each in explained["chains"][0]["steps"] if each["stage"] == "limit")
        assert "which cannot be checked now (Redis " in step["reason"]
        said = {"allow": ("allowed", "pass"), "deny": ("unavailable", "stop")}[policy]
        assert (explained["conclusion"], step["verdict"]) == said
        if policy == "allow":
            assert answers == [(200, None)] * 20
        else:
            error = {
                "code": -32000 if both_eras is Era.LEGACY else -32603,
                "message": "Rate limits cannot be checked now; try again.",
                "data": {"retryAfterSeconds": 1},
            }
            assert answers == [(200, error)] * 20
        own_redis.thaw()
        monkeypatch.setattr(redis_module, "DECISION_SECONDS", 5.0)
        async with asyncio.timeout(45):
            while await codes(client, call) != [429]:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.05)
        assert (await world.status())["rateLimits"]["state"] == "ok"
        found = await decisions(world)
        outcome = {"allow": "unchecked_allowed", "deny": "unchecked_denied"}[policy]
        assert found[f'{{limit="shared",outcome="{outcome}"}}'] >= 20
    told = [record.getMessage() for record in caplog.records if "rate limits" in record.getMessage()]
    assert told == ["rate limits cannot be checked", "rate limits are checked again"]


@pytest.mark.parametrize(
    ("config", "is_told"),
    [
        (limits(perUser=bucket(3)), True),
        (limits(tools=[{"name": "b0_echo", "perUser": bucket(3)}]), True),
        (limits(shared=bucket(3)), False),
    ],
)
async def test_buckets_of_users_that_other_replicas_cannot_find_are_told_once(redis_server, caplog, config, is_told):
    said = "rate limits of users hold for this process alone"
    backend = everything()
    async with backend.running(), pod(redis_server, backend, config=config) as world:
        world.apply()
        assert [record.getMessage() for record in caplog.records].count(said) == is_told


@pytest.mark.parametrize(("provider", "has_keys"), [("redis", True), ("memory", False)])
def test_replicas_with_the_same_keys_and_a_store_of_ones_own_are_fine(provider, has_keys):
    storage = {"provider": provider, "address": "redis:6379"}
    config = load({"config": limits(perUser=bucket(3)), "sessionStorage": storage, "backends": []}).config
    assert not has_unshared_users(config, has_keys=has_keys)
    assert has_unshared_users(config, has_keys=False) == (provider == "redis")
