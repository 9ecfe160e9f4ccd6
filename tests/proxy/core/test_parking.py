"""Calls that wait for their clients: a number that is good once, for a while, and a place for everybody."""

import asyncio

from tests.support.virtual_time import run_virtually
from vmcp_proxy.core.parking import Parking


class Call:
    def __init__(self):
        self.cancelled = 0

    def cancel(self):
        self.cancelled += 1


async def test_a_number_is_good_once():
    parking, call = Parking(), Call()
    number = parking.park(call, "alice", 60)
    assert parking.take(number) is call
    assert parking.take(number) is None
    assert parking.take(number + 1) is None
    assert (len(parking), call.cancelled) == (0, 0)


async def test_no_two_calls_have_one_number_even_after_the_other_is_gone():
    parking = Parking()
    numbers = []
    for _ in range(10):
        numbers.append(parking.park(Call(), "alice", 60))
        parking.take(numbers[-1])
    assert len(set(numbers)) == 10


def test_a_call_that_nobody_comes_for_is_cancelled():
    async def scene():
        parking, late, kept = Parking(), Call(), Call()
        number, _ = parking.park(late, "alice", 60), parking.park(kept, "alice", 120)
        await asyncio.sleep(61)
        assert (late.cancelled, kept.cancelled, len(parking)) == (1, 0, 1)
        assert parking.take(number) is None

    run_virtually(scene())


async def test_one_holder_has_half_of_the_places_and_leaves_the_rest_to_others():
    parking = Parking(8)
    numbers = [parking.park(Call(), "alice", 60) for _ in range(4)]
    assert None not in numbers
    assert not parking.has_room("alice")
    assert parking.park(Call(), "alice", 60) is None
    assert parking.park(Call(), "bob", 60) is not None
    parking.take(numbers[0])
    parking.end()
    assert (len(parking), parking.has_room("alice")) == (0, True)


async def test_those_are_ended_that_it_is_said_of():
    parking, one, other = Parking(), Call(), Call()
    parking.park(one, "alice", 60)
    parking.park(other, "bob", 60)
    parking.end(lambda call: call is one)
    assert (one.cancelled, other.cancelled, len(parking)) == (1, 0, 1)
