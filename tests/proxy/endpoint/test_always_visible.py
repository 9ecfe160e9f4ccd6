"""Tools that stay listed under tool search: names that nobody serves are told."""

import pytest

from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

NAMES = ["one_echo", "one_eco", "find_tool"]


@pytest.mark.parametrize(("is_enabled", "told"), [(True, ["one_eco"]), (False, [])])
async def test_a_name_that_no_tool_has_is_told_while_tools_are_searched_for(is_enabled, told):
    backends = {"one": ScriptedBackend(tools=[tool("echo")])}
    config = {"optimizer": {"enabled": is_enabled, "alwaysVisible": NAMES}}
    async with scene(backends, config=config) as world, world.session() as client:
        await client.names()
        unmatched = (await world.status())["unmatched"]
    assert unmatched == [{"backend": "", "setting": "optimizer", "name": name} for name in told]
