"""Why a composite tool is served to a caller, or is not: the same decisions in words."""

import pytest

from tests.proxy.endpoint.test_composites import composite, echoing, having
from tests.support.scene import scene

POLICIES = [
    'permit(principal, action, resource == Tool::"fine");',
    'permit(principal, action, resource == Tool::"one_echo");',
    'permit(principal, action, resource == Tool::"alone");',
    'permit(principal, action, resource == Tool::"halfway");',
    'permit(principal, action, resource == Tool::"lacking");',
    'permit(principal, action, resource == Tool::"liar");',
]
HIDDEN = [{"id": "a", "tool": "one_hidden"}]


@pytest.mark.scenario("W-9")
async def test_an_explanation_agrees_with_lists_and_calls_and_names_the_step_in_the_way():
    config = having(
        composite("fine"),
        composite("alone", HIDDEN, authorizeSteps=False),
        composite("halfway", HIDDEN),
        composite("lacking", [{"id": "a", "tool": "one_gone"}]),
        composite("liar", annotations={"readOnlyHint": True}),
        composite("unpermitted"),
    )
    expected = {
        "fine": ("allowed", True, "", ""),
        "alone": ("allowed", True, "", ""),
        "halfway": ("denied", False, "admission", "'one_hidden'"),
        "lacking": ("unavailable", False, "steps", "'one_gone'"),
        "liar": ("withheld", False, "conflict", "readOnlyHint"),
        "unpermitted": ("denied", False, "admission", "'unpermitted'"),
    }
    async with (
        scene({"one": echoing()}, config=config, authorization={"policies": POLICIES}, name="p") as world,
        world.session() as client,
    ):
        listed = await client.names("tools")
        for name, (conclusion, is_listed, stage, said) in expected.items():
            found = await world.explain(name)
            assert (found["conclusion"], found["listed"]) == (conclusion, is_listed), name
            assert (name in listed) is is_listed
            [chain] = found["chains"]
            stops = [step for step in chain["steps"] if step["verdict"] == "stop"]
            assert [step["stage"] for step in stops] == ([stage] if stage else []), name
            assert all(said in step["reason"] for step in stops)
