"""What the backends tell models reaches them: joined, or as the config says."""

import pytest

from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend


def telling(instructions: str | None) -> ScriptedBackend:
    return ScriptedBackend(instructions=instructions)


async def told(world) -> str | None:
    async with world.client() as client:
        return (await client.open()).get("instructions")


@pytest.mark.scenario("A-16")
async def test_instructions_are_joined_under_a_heading_for_each_backend():
    backends = {"b": telling("Use b.\n"), "a": telling("Use a."), "c": telling(None), "d": telling("  ")}
    async with scene(backends) as world:
        assert await told(world) == "## a\n\nUse a.\n\n## b\n\nUse b."


@pytest.mark.scenario("A-16")
async def test_the_config_sets_them_or_drops_them_and_is_reloaded():
    async with scene({"a": telling("Use a.")}, config={"instructions": "Ask first."}) as world:
        assert await told(world) == "Ask first."
        world.apply(config={"instructions": ""})
        assert await told(world) is None
        world.apply(config={})
        assert await told(world) == "## a\n\nUse a."


@pytest.mark.scenario("A-16")
async def test_they_are_bounded():
    async with scene({f"b{number}": telling("x" * 100_000) for number in range(9)}) as world:
        text = await told(world)
    assert text is not None
    assert len(text) <= 32 << 10
    assert text.count("## b") == 7
    assert text.endswith(" […]")


async def test_a_backend_of_which_the_caller_sees_nothing_tells_it_nothing():
    rules = RuleBased((Rule(Effect.PERMIT, names=("a_*",)),))
    async with scene({"a": telling("Use a."), "b": telling("Use b.")}, admitter=rules) as world:
        assert await told(world) == "## a\n\nUse a."
