"""What open streams hear when a policy changes: one notification, and only who may do something else now."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.policies import NamePolicy
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

TOOLS = "notifications/tools/list_changed"
PROMPTS = "notifications/prompts/list_changed"


class ByPresence(NamePolicy):
    """Admits strangers to the tools in `strangers`, and whoever sends credentials to `known`; to all prompts."""

    def __init__(self, version, strangers, known):
        self.version, self.strangers, self.known = version, strangers, known

    def admits(self, identity, action, capability, name):
        return name in {"one_p", "one_q"} or name in (self.known if identity.has_authorization else self.strangers)


@pytest.mark.scenario("A-14", "Z-4")
async def test_a_policy_edit_is_told_once_on_the_streams_of_those_whose_tools_it_changes_and_on_no_others():
    backend = ScriptedBackend(tools=[tool("open"), tool("closed")], prompts=[{"name": "p"}])
    rules = ByPresence("1", {"one_open"}, {"one_closed"})
    async with (
        scene({"one": backend}, config=QUIET, admitter=rules) as world,
        world.session() as stranger,
        world.session(authorization="Bearer x") as known,
        stranger.listening() as hers,
        known.listening() as his,
    ):
        assert await stranger.names() == ["one_open"]
        assert await known.names() == ["one_closed"]
        assert await stranger.names("prompts") == await known.names("prompts") == ["one_p"]
        await eventually(lambda: hers.comments and his.comments and backend.streams)

        world.apply(admitter=ByPresence("2", {"one_open", "one_closed"}, {"one_closed"}))
        await hers.until(TOOLS)
        assert await stranger.names() == ["one_closed", "one_open"]
        assert (await stranger.call("one_closed"))["content"]

        # Taken away again: that is news too.
        world.apply(admitter=ByPresence("3", {"one_open"}, {"one_closed"}))
        await hers.until(TOOLS, 2)
        assert await stranger.names() == ["one_open"]
        refused = await stranger.post(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_closed"}}
        )
        assert refused.json()["error"]["code"] == 403

        # Something that concerns everybody: nothing else came before it, on either stream.
        backend.prompts = [{"name": "p"}, {"name": "q"}]
        backend.push(PROMPTS)
        await hers.until(PROMPTS)
        await his.until(PROMPTS)
        assert hers.methods == [TOOLS, TOOLS, PROMPTS]
        assert his.methods == [PROMPTS]
