"""Clients that lose the session's own stream and come back for the rest of it."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.resuming import CUSTOM, Steps, numbers, say
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text


@pytest.mark.scenario("P-10")
async def test_a_get_stream_that_broke_goes_on_after_the_last_event_in_order_and_once():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        async with client.listening() as stream:
            await eventually(lambda: stream.ids)
            assert stream.retries == [1000], "the priming event says how long to wait"
            primed = stream.ids[0]
            for k in range(4):
                say(world, k)
            await stream.until(CUSTOM, 4)
            assert len(set(stream.ids)) == 5
        held = world.inside.client
        await eventually(lambda: not held.stream.is_listening)
        say(world, 4)
        async with client.listening(**{"last-event-id": stream.ids[2]}) as again:
            await again.until(CUSTOM, 3)
            say(world, 5)
            await again.until(CUSTOM, 4)
            assert numbers(again) == [2, 3, 4, 5]
            assert again.ids[:2] == stream.ids[3:5], "an event keeps its id"
        async with client.listening(**{"last-event-id": primed}) as whole:
            await whole.until(CUSTOM, 6)
            assert numbers(whole) == [0, 1, 2, 3, 4, 5]


@pytest.mark.scenario("P-10")
async def test_what_backends_say_while_the_client_is_away_for_a_moment_waits_for_it():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")
        (owner,) = {heard.session for heard in backend.calls("tools/call")}
        held = world.inside.client
        async with client.listening() as stream:
            await eventually(lambda: owner in backend.streams and stream.ids)
        await eventually(lambda: not held.stream.is_listening)
        backend.push(CUSTOM, session=owner, k=1)
        await eventually(lambda: len(held.stream.outbox) == 1)
        async with client.listening(**{"last-event-id": stream.ids[-1]}) as again:
            await again.until(CUSTOM)
            assert backend.streams.count(owner) == 1
        await eventually(lambda: held.stream.lingering is not None)
        world.inside.stop_listening(held)
        await eventually(lambda: owner not in backend.streams)
        assert held.stream.lingering is None


@pytest.mark.scenario("P-10")
async def test_messages_wait_until_the_stream_opens_for_the_first_time():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        await client.names()
        say(world, 1)
        say(world, 2)
        async with client.listening() as stream:
            await stream.until(CUSTOM, 2)
            assert numbers(stream) == [1, 2]


@pytest.mark.scenario("P-10", "X-1")
async def test_an_id_that_says_nothing_here_is_no_error_and_the_stream_goes_on_live():
    async with (
        scene({"one": ScriptedBackend()}, config=QUIET) as world,
        world.session() as client,
    ):
        async with client.listening() as stream:
            await eventually(lambda: stream.ids)
            say(world, 1)
            await stream.until(CUSTOM)
        pod, number, sequence = stream.ids[-1].split(".")
        strange = [
            "garbage",
            "",
            "..%00",
            f"{'0' * len(pod)}.{number}.{sequence}",
            f"{pod}.{int(number, 16) + 1:x}.{sequence}",
            f"{pod}.{number}.ffffffff",
            "9" * 5000,
        ]
        for k, last in enumerate(strange, 2):
            async with client.listening(**{"last-event-id": last}) as live:
                assert live.response.status_code == 200
                await eventually(lambda live=live: live.comments)
                say(world, k)
                await live.until(CUSTOM)
                assert numbers(live) == [k], last


@pytest.mark.scenario("P-10", "S-3")
async def test_the_id_of_another_session_replays_nothing_of_it():
    steps = Steps()
    async with (
        scene({"one": steps.backend}, config=QUIET) as world,
        world.session() as owner,
        world.session() as other,
    ):
        steps.steps.put_nowait(1)
        async with owner.posting("tools/call", {"name": "one_echo"}) as call:
            steps.steps.put_nowait("secret of the owner")
            await eventually(lambda: call.ended)
        async with owner.listening() as hers:
            await eventually(lambda: hers.ids)
            await other.names()
            held = world.inside.clients[0]
            held.stream.outbox.put(b'{"method":"notifications/x-custom","params":{"k":1}}')
            await hers.until(CUSTOM)
            async with other.listening(**{"last-event-id": hers.ids[0]}) as his:
                await eventually(lambda: his.comments)
                assert his.messages == []
                assert not hers.ended
            stolen = await other.send("GET", accept="text/event-stream", last_event_id=call.ids[0])
            assert "secret" not in stolen.text
            assert '"code":-32603' in stolen.text


@pytest.mark.scenario("P-10", "H-6")
@pytest.mark.parametrize("ended", ["deleted", "left this pod"])
async def test_streams_end_with_the_session_and_nothing_is_kept(ended):
    steps = Steps()
    async with scene({"one": steps.backend}, config=QUIET) as world, world.session() as client:
        inside = world.inside
        budget = inside.replay_budget
        steps.steps.put_nowait(1)
        steps.steps.put_nowait("done")
        await client.call("one_echo")
        async with client.listening() as own:
            await eventually(lambda: own.ids)
            say(world, 1)
            await own.until(CUSTOM)
            steps.steps.put_nowait(2)
            async with client.posting("tools/call", {"name": "one_echo"}) as broken:
                await broken.until(CUSTOM)
            async with client.listening(**{"last-event-id": broken.ids[-1]}) as rest:
                steps.steps.put_nowait(3)
                await rest.until(CUSTOM)
                assert inside.answers == 2
                assert budget.used > 0
                if ended == "deleted":
                    await client.delete()
                else:
                    inside.end_all_sessions()
                await eventually(lambda: own.ended and rest.ended)
                assert (inside.answers, budget.used, len(budget)) == (0, 0, 0)
                assert not inside.expiring_answers
        steps.steps.put_nowait("late")
        await eventually(lambda: not inside.calls)
        assert (inside.answers, budget.used) == (0, 0)
        late = await client.send("GET", accept="text/event-stream", last_event_id=broken.ids[-1])
        assert late.status_code == (404 if ended == "deleted" else 200)
        assert "result" not in late.text


@pytest.mark.scenario("S-10")
async def test_streams_that_come_during_the_drain_are_sent_elsewhere_at_once():
    steps = Steps()
    async with (
        scene({"one": steps.backend}, config=QUIET) as world,
        world.session() as client,
        world.session() as other,
    ):
        calling = asyncio.create_task(client.call("one_echo"))
        await steps.come.wait()
        try:
            async with other.listening() as stream:
                await eventually(lambda: stream.ids)
                world.inside.close_streams()
                await eventually(lambda: stream.ended)
            assert stream.retries[-1] == 1000
            async with other.listening() as late:
                await eventually(lambda: late.ended)
            assert (late.retries, late.ids) == ([1000], [])
        finally:
            steps.steps.put_nowait("done")
        assert await calling == text("done")


@pytest.mark.scenario("S-10")
async def test_what_comes_after_everything_was_cut_is_refused_and_does_not_hold_up_the_end():
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        world.inside.cut_calls()
        assert (await client.send("GET", accept="text/event-stream")).status_code == 503
        assert (await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).status_code == 503
