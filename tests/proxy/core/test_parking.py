"""Calls that wait for their clients: a number that is good once, for a while, and a place for everybody."""

import asyncio

from tests.support.virtual_time import run_virtually
from vmcp_proxy.core.parking import Claim, Parking

ALICE, BOB = Claim("alice", "alice"), Claim("bob", "bob")


class Call:
    def __init__(self):
        self.cancelled = 0

    def cancel(self):
        self.cancelled += 1


async def test_a_number_is_good_once():
    parking, call = Parking(), Call()
    number = parking.park(call, ALICE, 60)
    assert parking.take(number) is call
    assert parking.take(number) is None
    assert parking.take(number + 1) is None
    assert (len(parking), call.cancelled) == (0, 0)


async def test_no_two_calls_have_one_number_even_after_the_other_is_gone():
    parking = Parking()
    numbers = []
    for _ in range(10):
        numbers.append(parking.park(Call(), ALICE, 60))
        parking.take(numbers[-1])
    assert len(set(numbers)) == 10


def test_a_call_that_nobody_comes_for_is_cancelled():
    async def scene():
        parking, late, kept = Parking(), Call(), Call()
        number, _ = parking.park(late, ALICE, 60), parking.park(kept, ALICE, 120)
        await asyncio.sleep(61)
        assert (late.cancelled, kept.cancelled, len(parking)) == (1, 0, 1)
        assert parking.take(number) is None

    run_virtually(scene())


async def test_one_holder_has_half_of_the_places_and_leaves_the_rest_to_others():
    parking = Parking(8)
    numbers = [parking.park(Call(), ALICE, 60) for _ in range(4)]
    assert None not in numbers
    assert not parking.has_room(ALICE)
    assert parking.park(Call(), ALICE, 60) is None
    assert parking.park(Call(), BOB, 60) is not None
    parking.take(numbers[0])
    parking.end()
    assert (len(parking), parking.has_room(ALICE)) == (0, True)


async def test_those_are_ended_that_it_is_said_of():
    parking, one, other = Parking(), Call(), Call()
    parking.park(one, ALICE, 60)
    parking.park(other, BOB, 60)
    parking.end(lambda call: call is one)
    assert (one.cancelled, other.cancelled, len(parking)) == (1, 0, 1)


async def test_calls_that_wait_leave_the_half_of_each_backends_part_to_others():
    parking = Parking(most_at_one=8)
    numbers = [parking.park(Call(), at("alice", "one"), 60) for _ in range(5)]
    assert [number is None for number in numbers] == [False] * 4 + [True]
    assert parking.has_room(at("alice"))
    assert parking.has_room(at("alice", "two"))
    assert not parking.has_room(at("alice", "two", "one"))
    others = [parking.park(Call(), at(name, "one"), 60) for name in ("bob", "bob", "bob", "carol", "carol", "dave")]
    assert [number is None for number in others] == [False, False, True, False, True, False]
    assert parking.park(Call(), at("eve", "one"), 60) is None
    parking.take(numbers[0])
    assert parking.park(Call(), at("eve", "one"), 60) is not None
    parking.end()
    assert (parking.has_room(at("alice", "one")), parking._at_backends) == (True, {})


async def test_at_a_backend_anonymous_clients_count_as_one():
    parking = Parking(most_at_one=8)
    claims = [Claim(f"client {number}", "anonymous", frozenset({"one"})) for number in range(8)]
    assert [parking.park(Call(), claim, 60) is None for claim in claims] == [False] * 4 + [True] * 4


def at(name, *backends):
    return Claim(name, name, frozenset(backends))
