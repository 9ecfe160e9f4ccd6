"""What both keepers of buckets do, and how the shared one fares while its Redis does not."""

import asyncio
import contextlib
import time
from contextlib import ExitStack

import pytest

from tests.proxy.sessions.pods import SCOPE
from tests.proxy.sessions.test_layouts import is_master
from tests.support.raw_client import eventually
from tests.support.redis_layouts import cluster_of_three, rights, until_whole
from tests.support.redis_server import Monitor, RedisServer, running
from vmcp_api.config.sessions import StorageConfig
from vmcp_proxy.limits import redis as redis_module
from vmcp_proxy.limits.bucket import Terms, Use
from vmcp_proxy.limits.memory import MemoryLimiter
from vmcp_proxy.limits.redis import RedisLimiter
from vmcp_proxy.redis_client import calls, connect
from vmcp_proxy.redis_client.service import build_service

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine is no fault of Redis where that is not what is looked at."""
    monkeypatch.setattr(redis_module, "DECISION_SECONDS", 30.0)


def use(key="shared", tokens=2, period=HOUR):
    return Use(f"{key}:{tokens}/{period}", Terms(tokens, period))


@contextlib.asynccontextmanager
async def limiter_at(address, password=None, **storage):
    document = {"provider": "redis", "address": address, **storage}
    service = build_service(StorageConfig.model_validate(document), password=password)
    try:
        async with asyncio.TaskGroup() as tasks:
            yield RedisLimiter(service, SCOPE, tasks)
    finally:
        await service.link.aclose()


@pytest.fixture(params=["memory", "redis"])
async def limiter(request, redis_server):
    if request.param == "memory":
        yield MemoryLimiter()
    else:
        async with limiter_at(redis_server.address) as made:
            yield made


async def outcomes(limiter, *uses, times):
    """For each of so many requests whether it got its tokens."""
    waits = [await limiter.take(uses) for _ in range(times)]
    return [not any(each) for each in waits]


async def until_asked(limiter, **storage):
    """Waits until the buckets can be asked."""
    async with asyncio.timeout(45):
        while await limiter.take([use("trial", 1_000_000)]) is None:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.02)


async def test_a_bucket_gives_as_many_tokens_as_it_holds_and_says_how_long_the_next_takes(limiter):
    assert await outcomes(limiter, use(), times=3) == [True, True, False]
    (wait,) = await limiter.take([use()])
    assert HOUR / 2 - 60_000 < wait <= HOUR / 2
    assert (limiter.state.state, limiter.state.message) == ("ok", "")


@pytest.mark.scenario("R-2")
async def test_a_request_that_lacks_one_token_takes_no_other(limiter):
    small, large = use("small", 1), use("large", 3)
    assert await outcomes(limiter, small, large, times=4) == [True, False, False, False]
    assert await outcomes(limiter, large, times=3) == [True, True, False]


async def test_requests_at_the_same_time_share_a_bucket_to_the_last_token(limiter):
    waits = await asyncio.gather(*(limiter.take([use("all", 100), use(f"one{n % 7}", 20)]) for n in range(300)))
    assert sum(not any(each) for each in waits) == 100
    by_user = [sum(not any(each) for each in waits[n::7]) for n in range(7)]
    assert max(by_user) <= 20


async def test_other_terms_begin_with_a_bucket_of_their_own_and_the_former_goes_on(limiter):
    assert await outcomes(limiter, use(tokens=1), times=2) == [True, False]
    assert await outcomes(limiter, use(tokens=2), times=3) == [True, True, False]
    assert await outcomes(limiter, use(tokens=1), times=1) == [False]


async def test_memory_holds_a_bounded_number_of_buckets_and_forgets_the_one_used_longest_ago():
    limiter = MemoryLimiter(most=3)
    for name in "abcabcd":
        await limiter.take([use(name, 1)])
    assert len(limiter) == 3
    assert await outcomes(limiter, use("c", 1), times=1) == [False]
    assert await outcomes(limiter, use("a", 1), times=1) == [True]


async def test_memory_counts_the_time_of_its_own_clock():
    now = [0]
    limiter = MemoryLimiter(clock=lambda: now[0])
    assert await outcomes(limiter, use(period=1000), times=3) == [True, True, False]
    now[0] += 500_000_000
    assert await outcomes(limiter, use(period=1000), times=2) == [True, False]


@pytest.mark.scenario("R-1")
async def test_pods_share_buckets_which_are_gone_as_soon_as_they_are_full_again(redis_server):
    async with limiter_at(redis_server.address) as one, limiter_at(redis_server.address) as two:
        assert await outcomes(one, use(), times=1) == [True]
        assert await outcomes(two, use(), times=2) == [True, False]
        assert await outcomes(one, use(), times=1) == [False]
        await one.take([use("soon", 1000, 1000)])
    (key,) = (line for line in redis_server.command("KEYS", "*shared*").split(b"\r\n") if b"shared" in line)
    assert key == b"vmcp:session:rl:{%s}:shared:2/%d" % (SCOPE.encode(), HOUR)
    ttl = int(redis_server.command("PTTL", key)[1:])
    assert HOUR - 60_000 < ttl <= HOUR
    await eventually(lambda: redis_server.command("KEYS", "*soon*") == b"*0\r\n")


def scripts(lines):
    """The scripts that clients sent."""
    return [line for line in lines if b"lua" not in line and b'"EVAL' in line]


async def test_a_request_costs_one_round_trip_and_those_that_wait_meanwhile_go_together(redis_server):
    async with limiter_at(redis_server.address) as limiter:
        await limiter.take([use("first")])
        async with Monitor(redis_server) as monitor:
            for _ in range(5):
                await limiter.take([use("a"), use("b"), use("c"), use("d")])
            assert len(scripts(await monitor.lines())) == 5
            await asyncio.gather(*(limiter.take([use("e", 1000)]) for _ in range(200)))
            assert len(scripts(await monitor.lines())) - 5 <= 2 + 200 // 64 + 1


async def test_a_redis_that_has_lost_the_script_gets_it_again(redis_server):
    async with limiter_at(redis_server.address) as limiter:
        for _ in range(2):
            assert redis_server.command("SCRIPT", "FLUSH") == b"+OK\r\n"
            assert await limiter.take([use("many", 100)]) == (0,)
        assert limiter.state.state == "ok"


@pytest.mark.scenario("R-3")
async def test_a_stalled_redis_holds_a_request_no_longer_than_its_bound_and_the_others_not_at_all(
    own_redis, monkeypatch
):
    # Redis' client itself waits for longer than either bound below.
    monkeypatch.setattr(connect, "SOCKET_SECONDS", 60.0)
    monkeypatch.setattr(calls, "CALL_SECONDS", 60.0)
    async with limiter_at(own_redis.address) as limiter:
        await limiter.take([use("many", 1000)])
        own_redis.freeze()
        with monkeypatch.context() as impatient:
            impatient.setattr(redis_module, "DECISION_SECONDS", 0.2)
            async with asyncio.timeout(20):
                assert await asyncio.gather(*(limiter.take([use("many", 1000)]) for _ in range(50))) == [None] * 50
        assert limiter.state.is_away
        assert "Redis has not answered within" in limiter.state.message
        async with asyncio.timeout(20):
            assert [await limiter.take([use("many", 1000)]) for _ in range(100)] == [None] * 100
        own_redis.thaw()
        await until_asked(limiter)
        assert limiter.state.state == "ok"
        assert await limiter.take([use("many", 1000)]) == (0,)


@pytest.mark.scenario("R-3")
@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_process_that_was_held_up_takes_the_answer_that_waits_and_does_not_blame_redis(
    redis_server, monkeypatch, is_sent
):
    async with limiter_at(redis_server.address) as limiter:
        await limiter.take([use("first")])
        monkeypatch.setattr(redis_module, "DECISION_SECONDS", 1.5)
        monkeypatch.setattr(redis_module, "_LAST_SECONDS", 1.3)
        asking = asyncio.create_task(limiter.take([use("held", 1)]))
        for _ in range(5 if is_sent else 1):
            await asyncio.sleep(0)
        time.sleep(1.6)  # noqa: ASYNC251 - what holds the loop up
        assert await asking == (0,)
        assert limiter.state.state == "ok"


async def test_who_gives_up_waiting_takes_no_token(redis_server):
    async with limiter_at(redis_server.address) as limiter:
        await limiter.take([use("first")])
        ahead = asyncio.create_task(limiter.take([use("ahead")]))
        await asyncio.sleep(0)
        gone = asyncio.create_task(limiter.take([use("one", 1)]))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await ahead
        assert await limiter.take([use("one", 1)]) == (0,)


@pytest.mark.scenario("R-3")
async def test_a_redis_that_is_gone_is_named_and_its_return_is_noticed(own_redis):
    async with limiter_at(own_redis.address) as limiter:
        assert limiter.state.state == "unknown"
        await limiter.take([use()])
        own_redis.stop()
        assert await limiter.take([use()]) is None
        assert (limiter.state.state, limiter.state.message) == ("unavailable", "no connection to Redis")
        own_redis.start()
        await until_asked(limiter)
        assert await outcomes(limiter, use(), times=3) == [True, True, False]


async def test_whoever_gives_up_while_it_waits_takes_no_token_and_disturbs_nobody(own_redis):
    async with limiter_at(own_redis.address) as limiter:
        await limiter.take([use("other")])
        own_redis.freeze()
        on_its_way = asyncio.create_task(limiter.take([use("other")]))
        await eventually(lambda: limiter._is_travelling and not limiter._asked)
        gone = [asyncio.create_task(limiter.take([use("scarce", 1)])) for _ in range(5)]
        await asyncio.sleep(0)
        kept = asyncio.create_task(limiter.take([use("scarce", 1)]))
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        own_redis.thaw()
        assert await kept == (0,)
        await asyncio.gather(on_its_way, *gone, return_exceptions=True)
        assert all(task.cancelled() for task in gone)


async def test_an_error_of_the_client_that_nobody_knows_is_no_crash(redis_server, monkeypatch, caplog):
    async with limiter_at(redis_server.address) as limiter:

        async def broken(*_):
            raise ZeroDivisionError

        monkeypatch.setattr(limiter._client, "execute_command", broken)
        assert await limiter.take([use()]) is None
        monkeypatch.undo()
        assert await limiter.take([use()]) == (0,)
    assert "rate limits failed" in caplog.text


async def test_an_acl_user_needs_the_commands_of_sessions_and_hears_so(own_redis):
    own_redis.command(*rights("-evalsha"))
    async with limiter_at(own_redis.address, b"secret\n", username="vmcp") as limiter:
        assert await limiter.take([use()]) is None
        assert "evalsha" in limiter.state.message
        own_redis.command(*rights())
        await until_asked(limiter)
        assert await outcomes(limiter, use(), times=3) == [True, True, False]


async def test_all_buckets_of_an_endpoint_are_in_one_slot_of_a_cluster(tmp_path):
    with cluster_of_three(tmp_path) as nodes:
        await until_whole(nodes)
        for node in nodes:
            node.command(*rights("+command", "+cluster|slots"))
        addresses = ",".join(node.address for node in nodes)
        async with limiter_at(addresses, b"secret", mode="cluster", username="vmcp") as limiter:
            await until_asked(limiter)
            uses = [use(name) for name in ("shared", "user:ab", "tool:x:shared", "tool:x:user:ab")]
            assert await outcomes(limiter, *uses, times=3) == [True, True, False]
            for node in nodes:
                node.command("SCRIPT", "FLUSH")
            assert await outcomes(limiter, *uses, times=1) == [False]
        sizes = sorted(int(node.command("DBSIZE")[1:]) for node in nodes)
    # That of the trial is full again at once.
    assert sizes in ([0, 0, 4], [0, 0, 5])


@pytest.mark.timeout(120)
async def test_after_a_failover_the_new_master_is_asked_which_knows_what_was_taken(tmp_path):
    for name in ("first", "second", "sentinel"):
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        first = stack.enter_context(running(RedisServer(tmp_path / "first")))
        options = ("--replicaof", f"{first.host} {first.port}", "--repl-diskless-sync-delay", "0")
        second = stack.enter_context(running(RedisServer(tmp_path / "second", *options)))
        await eventually(lambda: b"state=online" in first.command("INFO", "replication"))
        line = f"sentinel monitor desk {first.host} {first.port} 1"
        sentinel = stack.enter_context(running(RedisServer(tmp_path / "sentinel", line, sentinel=True)))
        await eventually(lambda: b"slaves=1" in sentinel.command("INFO", "sentinel"))
        async with limiter_at(sentinel.address, mode="sentinel", masterName="desk") as limiter:
            await until_asked(limiter)
            assert await outcomes(limiter, use(), times=1) == [True]
            await eventually(lambda: second.command("DBSIZE") == first.command("DBSIZE"))
            await eventually(lambda: sentinel.command("SENTINEL", "FAILOVER", "desk") == b"+OK\r\n")
            await eventually(lambda: is_master(second))
            first.stop()
            await until_asked(limiter)
            assert await outcomes(limiter, use(), times=2) == [True, False]
