"""The arithmetic of buckets: what it promises, and that the script in Redis does the very same."""

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from vmcp_api.spec.rate_limiting import Bucket
from vmcp_proxy.limits.bucket import Terms, lasts, take
from vmcp_proxy.limits.script import TAKE

TEN = Terms(10, 1000)
MONTH = 2_592_000_000
TERMS = st.builds(Terms, st.integers(1, 1_000_000) | st.integers(1, 5), st.integers(1, MONTH) | st.integers(1, 20))
STEPS = st.tuples(st.integers(-50, 50) | st.integers(-MONTH, 2 * MONTH), st.sets(st.integers(0, 3), min_size=1))
NOW = 1_700_000_000_000


def taken(terms, times, state=None):
    """The waits at these moments, one token asked for at each."""
    waits = []
    for now in times:
        (wait,), (changed,) = take([terms], [state], now)
        state = changed or state
        waits.append(wait)
    return waits


def test_a_bucket_is_full_at_first_and_tokens_come_one_by_one_at_an_even_pace():
    assert taken(TEN, [NOW] * 11) == [0] * 10 + [100]
    assert taken(TEN, [NOW] * 10 + [NOW + 99, NOW + 100, NOW + 100, NOW + 350]) == [0] * 10 + [1, 0, 100, 0]
    assert taken(TEN, [NOW] * 10 + [NOW + 10_000] * 11) == [0] * 20 + [100]


def test_nothing_is_lost_by_asking_often_although_tokens_and_time_have_no_common_measure():
    terms = Terms(7, 1000)
    times = range(NOW, NOW + 100_000)
    assert sum(wait == 0 for wait in taken(terms, times)) == 7 + 699


@given(st.lists(TERMS, min_size=1, max_size=4), st.data())
def test_tokens_are_taken_of_every_bucket_or_of_none(terms, data):
    full = [each.tokens * each.period for each in terms]
    states = [data.draw(st.none() | st.tuples(st.integers(0, most), st.just(NOW))) for most in full]
    levels = [most if state is None else state[0] for state, most in zip(states, full, strict=True)]
    waits, changed = take(terms, states, NOW)
    lacking = [level < each.period for level, each in zip(levels, terms, strict=True)]
    assert [wait > 0 for wait in waits] == lacking
    if any(lacking):
        assert changed == (None,) * len(terms)
    else:
        assert changed == tuple((level - each.period, NOW) for level, each in zip(levels, terms, strict=True))


@given(TERMS, st.data())
def test_a_wait_is_as_long_as_it_says_and_a_bucket_is_full_when_it_need_not_be_kept(terms, data):
    level = data.draw(st.integers(0, terms.tokens * terms.period))
    (wait,), _ = take([terms], [(level, NOW)], NOW)
    if wait:
        assert take([terms], [(level, NOW)], NOW + wait - 1)[0] == (1,)
    assert take([terms], [(level, NOW)], NOW + wait)[0] == (0,)
    _, then = take([terms], [(level, NOW)], NOW + lasts(terms, (level, NOW)))
    assert then == take([terms], [None], NOW + lasts(terms, (level, NOW)))[1]


def test_a_clock_that_went_back_blocks_nobody_for_longer_than_an_empty_bucket_does():
    empty = (0, NOW + 3_600_000)
    waits, (state,) = take([TEN], [empty], NOW)
    assert (waits, state) == ((100,), (0, NOW))


@pytest.mark.parametrize(
    ("document", "terms"),
    [
        ({"maxTokens": 5, "refillPeriod": "1m30s"}, Terms(5, 90_000)),
        ({"maxTokens": 1_000_000, "refillPeriod": "720h"}, Terms(1_000_000, MONTH)),
        ({"maxTokens": 1, "refillPeriod": "1ms"}, Terms(1, 1)),
    ],
)
def test_terms_are_those_of_the_config(document, terms):
    assert Terms.of(Bucket.model_validate_json(str(document).replace("'", '"'), by_alias=True)) == terms
    assert terms.tokens * terms.period < 2**53


def at_a_time(script):
    """The script with a clock that the test sets, and with what it would have Redis forget written down."""
    told = script.replace("redis.call('TIME')", "cjson.decode(table.remove(ARGV))")
    told = told.replace("redis.call('PEXPIRE', bucket.key, ", "redis.call('HSET', bucket.key, 'lasts', ")
    assert told.count("'TIME'") == told.count("PEXPIRE") == 0
    return told


@pytest.mark.scenario("R-2")
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TERMS, min_size=4, max_size=4), st.lists(st.lists(STEPS, min_size=1, max_size=3), max_size=6))
def test_the_script_does_what_the_function_does_to_the_last_part_of_a_token(redis_server, terms, trips):
    with redis.Redis(host=redis_server.host, port=redis_server.port, decode_responses=True) as client:
        client.flushall()
        now, states = NOW, [None] * 4
        for steps in trips:
            # Requests that travel together are decided on one after the other, at one time.
            now = max(1, now + steps[0][0])
            keys, arguments, expected = [], [], []
            for _, chosen in steps:
                numbers = sorted(chosen)
                keys += [f"bucket:{number}" for number in numbers]
                arguments.append(len(numbers))
                for number in numbers:
                    arguments += (terms[number].tokens, terms[number].period)
                waits, changed = take([terms[n] for n in numbers], [states[n] for n in numbers], now)
                expected += waits
                for number, state in zip(numbers, changed, strict=True):
                    states[number] = state or states[number]
            clock = f'["{now // 1000}","{now % 1000 * 1000 + 999}"]'
            assert client.eval(at_a_time(TAKE.text), len(keys), *keys, *arguments, clock) == expected
        for number, state in enumerate(states):
            held = client.hgetall(f"bucket:{number}")
            if state is None:
                assert held == {}
            else:
                assert (int(held["level"]), int(held["at"])) == state
                assert int(held["lasts"]) == lasts(terms[number], state)


@pytest.mark.parametrize(
    "foreign",
    [
        ("SET", "bucket", "somebody's"),
        ("HSET", "bucket", "level", "much", "at", "1"),
        ("HSET", "bucket", "level", "-1", "at", "1"),
        ("HSET", "bucket", "level", "nan", "at", "nan"),
        ("HSET", "bucket", "level", "9" * 400, "at", "1"),
        ("HSET", "bucket", "at", "1"),
    ],
)
def test_what_somebody_else_put_in_the_place_of_a_bucket_counts_as_none(redis_server, foreign):
    with redis.Redis(host=redis_server.host, port=redis_server.port) as client:
        client.execute_command(*foreign)
        first, second, (third,) = (client.eval(TAKE.text, 1, "bucket", 1, 2, 3_600_000) for _ in range(3))
        assert (first, second) == ([0], [0])
        assert third > 1_000_000
        assert client.hget("bucket", "level") is not None
        assert 0 < client.pttl("bucket") <= 3_600_000
        assert client.script_exists(TAKE.digest) == [True]
