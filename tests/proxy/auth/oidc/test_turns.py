"""Whoever has the issuer asked about invented tokens keeps nobody else from being let in (I-4)."""

import asyncio
import contextlib

import httpx2
import pytest

from tests.proxy.auth.oidc.helpers import door, introspecting
from tests.support.idp.requests import token_request
from tests.support.raw_client import ACCEPT, eventually, initialize
from tests.support.scene import operational
from vmcp_proxy.auth.incoming.oidc.introspection import MOST_AT_ONCE
from vmcp_proxy.auth.incoming.oidc.turns import Turns

pytestmark = pytest.mark.scenario("I-4")

OF_ONE = MOST_AT_ONCE * 3 // 4


@contextlib.asynccontextmanager
async def besieged(config, *, address="127.0.0.1", **headers):
    """A proxy whose issuer leaves invented tokens waiting; many come from one address, which may claim others."""
    release = asyncio.Event()
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    async with (
        door(auth=introspecting, config=config) as it,
        httpx2.AsyncClient(transport=transport, timeout=60, trust_env=False) as http,
        asyncio.TaskGroup() as group,
    ):

        async def act(asked, answer):
            if "invented" in token_request(asked).form["token"]:
                await release.wait()
            await answer()

        it.idp.acts["introspect"] = act
        for number in range(3 * MOST_AT_ONCE):
            fields = {name: value.format(number) for name, value in headers.items()}
            fields |= {"accept": ACCEPT, "authorization": f"Bearer invented-{number}"}
            group.create_task(http.post(it.world.url, json=initialize(), headers=fields))
        await eventually(lambda: len(it.idp.asked("introspect")) >= OF_ONE)
        yield it
        release.set()


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-for": "203.0.113.{}"}])
async def test_one_peer_takes_three_quarters_of_the_turns_whatever_addresses_it_claims(headers):
    async with besieged({}, address="127.0.0.2", **headers) as it:
        assert await it.status_of(it.idp.opaque("alice")) == 200
        invented = [each for each in it.idp.requests("introspect") if "invented" in each.form["token"]]
        assert len(invented) == OF_ONE


async def test_behind_a_proxy_that_is_trusted_it_is_the_address_that_this_one_saw():
    trusting = {"config": operational(trustedProxies=["127.0.0.1"])}
    async with besieged(trusting, **{"x-forwarded-for": "198.51.100.1, 203.0.113.7"}) as it:
        assert await it.status_of(it.idp.opaque("alice"), **{"x-forwarded-for": "203.0.113.8"}) == 200
        assert len(it.idp.asked("introspect")) == OF_ONE + 1


async def begun(turns, address, order):
    """A task that waits for a turn and notes it, and the event that ends the turn."""
    end = asyncio.Event()

    async def take():
        async with turns.turn(address):
            order.append(address)
            await end.wait()

    task = asyncio.create_task(take())
    await asyncio.sleep(0)
    return task, end


async def test_addresses_are_served_in_rotation_and_who_has_hung_up_takes_no_turn():
    turns, order = Turns(4), []
    begin = [await begun(turns, each, order) for each in ("a", "a", "a", "a", "a", "b", "c")]
    tasks, ends = zip(*begin, strict=True)
    assert order == ["a", "a", "a", "b"], "one address has three of four"
    tasks[3].cancel()
    ends[0].set()
    await eventually(lambda: len(order) == 5)
    ends[5].set()
    await eventually(lambda: len(order) == 6)
    assert order[4:] == ["a", "c"]
    for end in ends:
        end.set()
    await asyncio.wait(tasks)
    assert repr(turns) == "<Turns 4 free, 0 addresses waiting>"


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
async def test_a_machine_is_one_address_however_many_it_has(one, other, are_same):
    turns, order = Turns(4), []
    begin = [await begun(turns, each, order) for each in (one, one, one, other)]
    assert len(order) == (3 if are_same else 4)
    for _, end in begin:
        end.set()
    await asyncio.wait([task for task, _ in begin])


async def test_who_hangs_up_in_the_moment_in_which_a_turn_is_free_takes_none():
    turns, order = Turns(1), []
    (holder, end), (waiter, _), (last, done) = [await begun(turns, each, order) for each in ("a", "b", "c")]
    end.set()
    done.set()
    waiter.cancel()
    await asyncio.wait((holder, waiter, last))
    assert order == ["a", "c"]
    assert repr(turns) == "<Turns 1 free, 0 addresses waiting>"


async def test_a_turn_that_was_given_to_somebody_who_is_cancelled_goes_to_the_next():
    turns, order = Turns(1), []
    (holder, end), (waiter, _), (last, done) = [await begun(turns, each, order) for each in ("a", "b", "c")]
    end.set()
    await asyncio.wait((holder,))
    waiter.cancel()
    done.set()
    await asyncio.wait((waiter, last))
    assert order[-1] == "c"
    assert repr(turns) == "<Turns 1 free, 0 addresses waiting>"
