import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from tests.operator.harness import vmcp
from tests.support.raw_client import WAIT_SECONDS
from vmcp_operator.cluster import pod_poller
from vmcp_operator.cluster.pod_poller import Poller
from vmcp_operator.plan.world import Target

ONE, TWO = vmcp(), vmcp("two")
POD = Target("uid-1", "127.0.0.1")
HANGING = "127.0.0.2"
"""Where the pod answers only once its gate is open."""


class FakePod:
    """A pod's admin port that counts what it is asked."""

    def __init__(self):
        self.answer: dict = {"configHash": "aaaa"}
        self.status = 200
        self.body: bytes | None = None
        self.asked = 0
        self.asked_at: Counter[str] = Counter()
        self.unchanged = 0
        self.led_astray = 0
        self.gate = asyncio.Event()

    async def handle(self, request):
        address = request.transport.get_extra_info("sockname")[0]
        self.asked_at[address] += 1
        if address == HANGING:
            await self.gate.wait()
        self.asked += 1
        tag = f'"{hash(json.dumps(self.answer))}"'
        if self.status == 200 and request.headers.get("If-None-Match") == tag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": tag})
        body = self.body if self.body is not None else json.dumps(self.answer).encode()
        return web.Response(status=self.status, body=body, headers={"ETag": tag, "Location": "/elsewhere"})

    async def handle_elsewhere(self, _):
        self.led_astray += 1
        return web.json_response(self.answer)


@asynccontextmanager
async def polling(interval=0.02):
    """A poller that asks one fake pod; yields the pod, the poller and a queue of the keys that it woke."""
    pod = FakePod()
    app = web.Application()
    app.router.add_get("/status", pod.handle)
    app.router.add_get("/elsewhere", pod.handle_elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, POD.address, 0).start()
    await web.TCPSite(runner, HANGING, runner.addresses[0][1]).start()
    woken: asyncio.Queue = asyncio.Queue()
    async with aiohttp.ClientSession() as http, asyncio.timeout(WAIT_SECONDS):
        poller = Poller(http, woken.put_nowait, interval=interval, port=runner.addresses[0][1])
        task = asyncio.create_task(poller.run())
        try:
            yield pod, poller, woken
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await runner.cleanup()


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.005)


async def test_a_new_answer_wakes_the_key_and_the_same_again_does_not():
    async with polling() as (pod, poller, woken):
        poller.watch(ONE, (POD,), "aaaa")
        assert await woken.get() == ONE
        assert poller.report("uid-1").config_hash == "aaaa"
        await until(lambda: pod.unchanged >= 3)
        assert woken.empty()
        pod.answer = {"configHash": "bbbb"}
        assert await woken.get() == ONE
        assert poller.report("uid-1").config_hash == "bbbb"


async def test_a_pod_that_falls_silent_loses_its_report_after_three_questions():
    async with polling() as (pod, poller, woken):
        poller.watch(ONE, (POD,), None)
        await woken.get()
        pod.status = 500
        asked = pod.asked
        await woken.get()
        assert poller.report("uid-1") is None
        assert pod.asked >= asked + 3


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"[" * 100_000, b"\xff\xfe"])
async def test_a_body_that_is_no_report_counts_as_silence(body):
    async with polling() as (pod, poller, _):
        pod.body = body
        poller.watch(ONE, (POD,), None)
        await until(lambda: pod.asked >= 3)
        assert poller.report("uid-1") is None


async def test_a_redirect_is_not_followed():
    async with polling() as (pod, poller, _):
        pod.status = 302
        poller.watch(ONE, (POD,), None)
        await until(lambda: pod.asked >= 3)
        assert pod.led_astray == 0
        assert poller.report("uid-1") is None


async def test_pods_that_are_no_longer_named_are_asked_no_more():
    async with polling() as (pod, poller, woken):
        poller.watch(ONE, (POD,), "aaaa")
        await woken.get()
        poller.forget(ONE)
        assert poller.report("uid-1") is None
        asked = pod.asked_at[POD.address]
        pod.gate.set()
        poller.watch(TWO, (Target("uid-2", HANGING),), "aaaa")
        await until(lambda: pod.asked_at[HANGING] >= 5)
        assert pod.asked_at[POD.address] <= asked + 1, "one question may have been on its way"


async def test_a_pod_that_runs_another_config_is_asked_more_often():
    async with polling(interval=60) as (pod, poller, woken):
        pod.answer = {"configHash": "old"}
        poller.watch(ONE, (POD,), "new")
        await woken.get()
        pod.answer = {"configHash": "new"}
        assert await woken.get() == ONE
        assert poller.report("uid-1").config_hash == "new"


async def test_a_pod_is_awaited_until_it_has_answered_or_been_asked_three_times_in_vain():
    async with polling() as (pod, poller, woken):
        assert poller.is_awaited("uid-1")
        pod.status = 500
        poller.watch(ONE, (POD,), None)
        assert poller.is_awaited("uid-1")
        assert await woken.get() == ONE
        assert pod.asked == 3
        assert not poller.is_awaited("uid-1")
        pod.status = 200
        await woken.get()
        assert not poller.is_awaited("uid-1")
        assert poller.report("uid-1") is not None


async def test_a_pod_that_hangs_does_not_keep_the_others_from_being_asked(monkeypatch):
    monkeypatch.setattr(pod_poller, "ANSWER_SECONDS", 3600.0)
    async with polling() as (pod, poller, _):
        poller.watch(ONE, (POD, Target("uid-2", HANGING)), "aaaa")
        await until(lambda: pod.asked >= 10)
        assert pod.asked_at[HANGING] == 1
        assert poller.report("uid-2") is None
        pod.gate.set()


@pytest.mark.scenario("K-23")
async def test_a_pod_that_starts_is_not_silent_before_it_had_a_chance_to_answer_as_a_ready_one():
    async with polling() as (pod, poller, woken):
        pod.status = 500
        poller.watch(ONE, (replace(POD, is_ready=False),), None)
        await until(lambda: pod.asked >= 6)
        assert poller.is_awaited("uid-1")
        assert woken.empty()
        poller.watch(ONE, (POD,), None)
        assert await woken.get() == ONE
        assert not poller.is_awaited("uid-1")
