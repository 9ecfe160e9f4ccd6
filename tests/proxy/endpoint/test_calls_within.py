"""Calls that the core makes on behalf of a call go the same way: admission is asked each time."""

import pytest

from tests.support.raw_client import eventually
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_proxy.core.calls.child_exchange import ChildExchange
from vmcp_proxy.core.outcomes import Denied, Result
from vmcp_proxy.core.virtual import Operation, call
from vmcp_proxy.protocol.kinds import Kind

POLICY = RuleBased((Rule(Effect.PERMIT, names=("one_open", "both")),))


class Both:
    """A layer with a tool of its own, which calls two others for whoever calls it."""

    def __init__(self, inner):
        self.inner = inner
        self.replies, self.backends = [], []

    async def view(self, caller):
        return await self.inner.view(caller)

    async def list(self, caller, kind):
        return await self.inner.list(caller, kind)

    async def resolve(self, caller, operation):
        return await self.inner.resolve(caller, operation)

    async def perform(self, caller, operation, resolved, exchange):
        if operation.name != "both":
            return await self.inner.perform(caller, operation, resolved, exchange)
        for name in ("one_open", "one_closed"):
            child = ChildExchange(exchange)
            self.replies.append(
                await call(self.inner, caller, Operation("tools/call", Kind.TOOL, name, operation.params), child)
            )
            self.backends.append(child.backend)
        return Result(b'{"content":[]}')


@pytest.mark.scenario("Z-5")
async def test_a_layer_above_calls_for_its_caller_and_only_what_the_caller_is_admitted_to_reaches_a_backend():
    backend = ScriptedBackend(tools=[tool("open"), tool("closed")])

    @backend.on("tools/call")
    async def answer(call):
        await call.notify("notifications/message", level="info", data="under way")
        return {"content": [{"type": "text", "text": call.heard.message["params"]["name"]}]}

    async with scene({"one": backend}, admitter=POLICY) as world, world.session() as client:
        both = world.inside.around_core(Both)
        assert await client.call("both") == {"content": []}
        opened, closed = both.replies
        assert b'"open"' in bytes(opened.raw)
        assert closed == Denied()
        assert both.backends == ["one", ""]
        assert [each.message["params"]["name"] for each in backend.calls("tools/call")] == ["open"]
        # What the backend said meanwhile came on the stream of the outer call.
        await eventually(lambda: client.said)
        assert client.said[0]["params"]["data"] == "under way"
