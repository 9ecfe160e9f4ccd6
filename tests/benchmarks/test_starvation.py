"""How the soak counts that its processes had no processor."""

import asyncio
import os

import pytest

from benchmarks.soak import starvation
from benchmarks.soak.starvation import Starvation, waited_of


@pytest.fixture
def waits(monkeypatch):
    """Nanoseconds waited for by process; 7 is a process, 8 its child."""
    waited = {os.getpid(): 5_000_000_000, 7: 1_000_000_000}
    monkeypatch.setattr(starvation, "waited_of", lambda pid: waited[pid])
    monkeypatch.setattr(starvation, "family_of", lambda pid: [each for each in waited if each >= pid])
    monkeypatch.setattr(starvation.os, "getpid", lambda: next(iter(waited)))
    return waited


async def test_the_waits_of_all_processes_since_a_time_are_added_up(waits):
    watched = Starvation(7)
    begun = asyncio.get_running_loop().time()
    assert watched.since(begun) == 0.0
    waits[7] += 500_000_000
    waits[next(iter(waits))] += 1_000_000_000
    assert watched.since(begun) == 1.5


async def test_a_process_that_began_meanwhile_counts_and_one_that_ended_takes_nothing_back(waits):
    watched = Starvation(7)
    begun = asyncio.get_running_loop().time()
    waits[8] = 250_000_000
    assert watched.since(begun) == 0.25
    del waits[8]
    assert watched.since(begun) == 0.25


async def test_what_was_waited_for_before_does_not_count(waits):
    watched = Starvation(7)
    waits[7] += 500_000_000
    watched.look()
    assert watched.since(asyncio.get_running_loop().time()) == 0.0


def test_of_a_process_that_is_not_there_nothing_is_counted():
    assert waited_of(2**22 + 1) == 0
