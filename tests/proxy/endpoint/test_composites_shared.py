"""What callers of composite tools leave to each other."""

import asyncio
import contextlib

from tests.proxy.endpoint.test_composites import composite, having
from tests.support.callers import BySubject
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import Call, ScriptedBackend, text, tool
from vmcp_proxy.workflows.bounds import MOST_RUNNING

NAP = composite("rest", [{"id": "nap", "tool": "one_nap"}])
WORK = composite("work", [{"id": "work", "tool": "one_work"}])
QUARTER = MOST_RUNNING // 4


class Napping(ScriptedBackend):
    """Has a tool that answers when `over` is set, and one that answers at once."""

    def __init__(self) -> None:
        super().__init__(tools=[tool("nap"), tool("work")])
        self.over = asyncio.Event()

        @self.on("tools/call")
        async def answer(call: Call) -> dict:
            if call.params["name"] == "nap":
                await self.over.wait()
            return text("done")


async def test_an_identity_has_a_quarter_of_the_places_however_many_sessions_it_has():
    backend = Napping()
    async with scene({"one": backend}, config=having(NAP, WORK)) as world, contextlib.AsyncExitStack() as open_:
        with world.inside.authenticated_by(BySubject()):
            world.apply()
            bobs = [await open_.enter_async_context(world.session(authorization="Bearer bob")) for _ in range(2)]
            alice = await open_.enter_async_context(world.session(authorization="Bearer alice"))
            async with asyncio.TaskGroup() as group:
                for number in range(QUARTER):
                    group.create_task(bobs[number % 2].call("rest", {}))
                await eventually(lambda: len(backend.calls("tools/call")) == QUARTER)
                for bob in bobs:
                    refused = await bob.call("work", {})
                    assert refused["content"][0]["text"] == "too many workflows run at the moment; try again in 5 s"
                    assert refused["_meta"] == {"vmcp.dev/category": "busy", "vmcp.dev/retryAfterSeconds": 5}
                assert not (await alice.call("work", {})).get("isError")
                backend.over.set()
            assert not (await bobs[0].call("work", {})).get("isError")


async def test_anonymous_callers_share_by_session():
    backend = Napping()
    async with (
        scene({"one": backend}, config=having(NAP, WORK)) as world,
        world.session() as one,
        world.session() as other,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(QUARTER):
            group.create_task(one.call("rest", {}))
        await eventually(lambda: len(backend.calls("tools/call")) == QUARTER)
        assert (await one.call("work", {}))["isError"]
        assert not (await other.call("work", {})).get("isError")
        backend.over.set()
