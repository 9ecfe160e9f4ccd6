"""How long a token is kept, who waits for it, when it is renewed and when it is gone."""

import asyncio
import contextlib
import gc
import time
import weakref
from dataclasses import replace

import pytest

from tests.proxy.auth.outgoing.helpers import bearer, caller, desk
from tests.support.idp import oauth_error, once, says, slow
from tests.support.raw_client import eventually
from vmcp_proxy.auth.outgoing import tokens
from vmcp_proxy.auth.outgoing.errors import OutgoingAuthError


@pytest.mark.scenario("I-7")
async def test_a_hundred_who_come_first_at_the_same_time_make_one_request(monkeypatch):
    async with desk(monkeypatch) as at:
        alice, source = caller(at.idp), at.token_exchange()
        slots = [source.slot_for(alice) for _ in range(100)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(slot.fetch()) for slot in slots]
        assert len({bearer(task.result()) for task in tasks}) == 1
        assert len(at.idp.requests()) == 1
        assert slots[0].current() is tasks[0].result()


@pytest.mark.scenario("I-7")
@pytest.mark.parametrize("gone", [0, 1, 98])
async def test_who_is_cancelled_takes_the_token_away_from_nobody(monkeypatch, gone):
    async with desk(monkeypatch) as at:
        gate = asyncio.Event()
        at.idp.acts["token"] = slow(gate)
        slot = at.token_exchange().slot_for(caller(at.idp))
        tasks = [asyncio.create_task(slot.fetch()) for _ in range(100)]
        await eventually(lambda: len(at.idp.requests()) == 1)
        tasks[gone].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tasks[gone]
        gate.set()
        left = [task for number, task in enumerate(tasks) if number != gone]
        assert len({bearer(grant) for grant in await asyncio.gather(*left)}) == 1
        assert len(at.idp.requests()) == 1


async def test_where_nobody_waits_any_more_the_token_is_there_for_the_next(monkeypatch):
    async with desk(monkeypatch) as at:
        gate = asyncio.Event()
        at.idp.acts["token"] = slow(gate)
        slot = at.client_credentials().slot_for(None)
        task = asyncio.create_task(slot.fetch())
        await eventually(lambda: len(at.idp.requests()) == 1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        gate.set()
        await slot.fetch()
        assert len(at.idp.requests()) == 1


@pytest.mark.scenario("I-7")
async def test_a_token_in_use_is_renewed_before_it_ends_and_nobody_waits_for_that(monkeypatch):
    async with desk(monkeypatch, expires_in=300) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        at.turn_on(210)
        assert slot.current() is first
        assert len(at.idp.requests()) == 1, "not in the first three quarters"
        at.turn_on(60)
        gate = asyncio.Event()
        at.idp.acts["token"] = slow(gate)
        assert [slot.current() for _ in range(10)] == [first] * 10
        await eventually(lambda: len(at.idp.requests()) == 2)
        gate.set()
        await eventually(lambda: slot.current() is not first)
        assert len(at.idp.requests()) == 2, "one renewal, however many asked"


async def test_tokens_of_many_callers_are_not_renewed_in_one_moment(monkeypatch):
    async with desk(monkeypatch) as at:
        source = at.token_exchange()
        slots = [source.slot_for(caller(at.idp, f"user-{number}")) for number in range(20)]
        grants = [await slot.fetch() for slot in slots]
    lives = [grant.renew_at - grant.expires_at for grant in grants]
    assert max(lives) - min(lives) > 5, "spread over 15 % of the time"


@pytest.mark.scenario("I-7")
async def test_a_token_that_could_not_be_renewed_is_used_to_its_end_and_not_beyond(monkeypatch):
    async with desk(monkeypatch, expires_in=300) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        at.idp.acts["token"] = says(500)
        at.turn_on(280)
        assert await slot.fetch() is first
        await eventually(lambda: len(at.idp.requests()) == 2)
        at.turn_on(11)
        assert slot.current() is None
        with pytest.raises(OutgoingAuthError, match="HTTP status 500"):
            await slot.fetch()


@pytest.mark.parametrize("said", [None, 0, -5, "soon", True, [1], "", {}])
async def test_a_lifetime_that_is_none_counts_as_five_minutes(monkeypatch, said):
    async with desk(monkeypatch, answers={"expires_in": said}) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        at.turn_on(200)
        assert slot.current() is first
        at.turn_on(100)
        assert slot.current() is None


@pytest.mark.parametrize(("said", "good", "bad"), [("60", 50, 60), (10, 8, 10), (1e12, 86_000, 86_400), (2.5, 2, 3)])
async def test_a_token_is_used_for_as_long_as_it_is_good_but_not_in_its_last_moments(monkeypatch, said, good, bad):
    async with desk(monkeypatch, answers={"expires_in": said}) as at:
        slot = at.client_credentials().slot_for(None)
        asked = asyncio.get_running_loop().time()
        grant = await slot.fetch()
        assert asked + good - 1 < grant.expires_at < asyncio.get_running_loop().time() + bad


@pytest.mark.scenario("I-10")
async def test_what_was_got_for_a_callers_token_is_used_no_longer_than_that_is_good(monkeypatch):
    async with desk(monkeypatch, expires_in=3600) as at:
        ending = replace(caller(at.idp), expires_at=time.time() + 100)
        slot = at.token_exchange().slot_for(ending)
        grant = await slot.fetch()
        assert 95 < grant.expires_at - asyncio.get_running_loop().time() <= 100
        assert grant.renew_at == grant.expires_at, "another one could not be used for longer"
        at.turn_on(101)
        assert slot.current() is None
        lasting = at.token_exchange().slot_for(replace(caller(at.idp), expires_at=None))
        assert (await lasting.fetch()).expires_at > asyncio.get_running_loop().time() + 3500


@pytest.mark.scenario("I-7")
async def test_a_token_that_a_backend_refuses_is_replaced_once_for_all_who_used_it(monkeypatch):
    async with desk(monkeypatch) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        assert all(slot.refused(first) for _ in range(50))
        grants = await asyncio.gather(*(slot.fetch(first) for _ in range(50)))
        assert len({bearer(grant) for grant in grants}) == 1
        assert grants[0] is not first
        assert slot.refused(first), "who comes late takes the new one"
        assert slot.current() is grants[0]
        assert len(at.idp.requests()) == 2


async def test_a_backend_that_takes_no_token_at_all_does_not_cost_one_for_each_call(monkeypatch):
    async with desk(monkeypatch) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        assert slot.refused(first)
        assert await slot.fetch(first) is not first
        for _ in range(20):
            assert not slot.refused(await slot.fetch())
        assert len(at.idp.requests()) == 2
        at.turn_on(11)
        assert slot.refused(await slot.fetch()), "later it may be worth another try"


@pytest.mark.scenario("I-7")
async def test_a_refused_token_serves_the_others_until_another_is_there(monkeypatch):
    async with desk(monkeypatch) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        gate = asyncio.Event()
        at.idp.acts["token"] = slow(gate)
        assert slot.refused(first)
        assert slot.current() is first
        assert await slot.fetch() is first
        waiting = asyncio.create_task(slot.fetch(first))
        await eventually(lambda: len(at.idp.requests()) == 2)
        gate.set()
        second = await waiting
        assert slot.current() is second
        assert second is not first


@pytest.mark.scenario("I-7")
async def test_where_no_other_token_is_to_be_had_the_refused_one_goes_on_and_nobody_asks_at_once_again(monkeypatch):
    async with desk(monkeypatch) as at:
        slot = at.client_credentials().slot_for(None)
        first = await slot.fetch()
        at.idp.acts["token"] = says(503, {"error": "temporarily_unavailable"})
        assert slot.refused(first)
        with pytest.raises(OutgoingAuthError):
            await slot.fetch(first)
        assert slot.current() is first
        assert not slot.refused(first)
        assert len(at.idp.requests()) == 2


@pytest.mark.scenario("I-6")
async def test_each_caller_and_each_token_of_a_caller_has_a_token_of_its_own(monkeypatch):
    """Two tokens of one user may be good for different things: what one opens must not open for the other."""
    async with desk(monkeypatch) as at:
        source = at.token_exchange()
        alice, narrow, bob = caller(at.idp), caller(at.idp, scope="read"), caller(at.idp, "bob")
        slots = [source.slot_for(each) for each in (alice, narrow, bob)]
        assert len(set(slots)) == 3
        assert len({bearer(await slot.fetch()) for slot in slots}) == 3
        assert source.slot_for(alice) is slots[0]
        assert alice == narrow
        assert [each.form["subject_token"] for each in at.idp.requests()] == [
            each.token.reveal().decode() for each in (alice, narrow, bob)
        ]


async def test_without_a_user_all_callers_share_one(monkeypatch):
    async with desk(monkeypatch) as at:
        source = at.client_credentials()
        one = source.slot_for(None)
        assert source.slot_for(caller(at.idp)) is one


@pytest.mark.scenario("H-7", "I-10")
async def test_nothing_is_left_of_a_token_once_nobody_holds_its_slot(monkeypatch):
    async with desk(monkeypatch) as at:
        source = at.token_exchange()
        slot = source.slot_for(caller(at.idp))
        await slot.fetch()
        held = weakref.ref(slot)
        assert list(source._slots.values()) == [slot]
        assert held() is slot
        del slot
        gc.collect()
        assert list(source._slots) == []
        assert held() is None


@pytest.mark.scenario("I-10")
async def test_what_was_got_for_a_dead_grant_is_dropped_and_not_asked_for_again_soon(monkeypatch):
    async with desk(monkeypatch, expires_in=300) as at:
        alice = caller(at.idp)
        slot = at.token_exchange().slot_for(alice)
        await slot.fetch()
        at.idp.revoke(alice.token.reveal().decode())
        at.turn_on(280)
        slot.current()
        await eventually(lambda: slot.current() is None)
        for _ in range(3):
            with pytest.raises(OutgoingAuthError, match="refuses with invalid_grant; sign in again"):
                await slot.fetch()
        assert len(at.idp.requests()) == 2
        fresh = await at.token_exchange().slot_for(caller(at.idp)).fetch()
        assert bearer(fresh), "another token of the same user is another matter"


async def test_an_endpoint_that_fails_is_left_alone_the_longer_the_more_often_it_does(monkeypatch):
    # So long that the time which the requests themselves take does not count.
    monkeypatch.setattr(tokens, "_FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(tokens, "_LONGEST_PAUSE", 30_000.0)
    async with desk(monkeypatch) as at:
        at.idp.acts["token"] = says(503)
        slot = at.client_credentials().slot_for(None)
        asked = []
        for _ in range(8):
            for _ in range(5):
                with pytest.raises(OutgoingAuthError, match="HTTP status 503"):
                    await slot.fetch()
            asked.append(len(at.idp.requests()))
            at.turn_on(1030)
        assert asked == [1, 2, 2, 3, 3, 3, 3, 4]
        at.turn_on(31_000)
        at.idp.acts.clear()
        assert bearer(await slot.fetch())


async def test_an_endpoint_that_says_when_to_come_again_is_left_alone_until_then(monkeypatch):
    async with desk(monkeypatch) as at:
        at.idp.acts["token"] = once(says(429, {"error": "slow_down"}, retry_after="20"))
        slot = at.client_credentials().slot_for(None)
        for seconds in (0, 10):
            at.turn_on(seconds)
            with pytest.raises(OutgoingAuthError, match="HTTP status 429"):
                await slot.fetch()
        assert len(at.idp.requests()) == 1
        at.turn_on(11)
        await slot.fetch()


async def test_a_failure_is_one_for_all_who_waited_and_each_gets_an_error_of_its_own(monkeypatch):
    async with desk(monkeypatch) as at:
        at.idp.acts["token"] = oauth_error("invalid_scope")
        slot = at.client_credentials().slot_for(None)
        errors = await asyncio.gather(*(slot.fetch() for _ in range(20)), return_exceptions=True)
        assert {str(error) for error in errors} == {"the token endpoint refuses with invalid_scope; correct the scopes"}
        assert len({id(error) for error in errors}) == 20
        assert len(at.idp.requests()) == 1
