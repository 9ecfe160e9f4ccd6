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


FORBIDDING = ["permit(principal, action, resource);", 'forbid(principal, action, resource == Tool::"one_hidden");']
UNPERMITTED = [f'permit(principal, action, resource == Tool::"{name}");' for name in ("halfway", "one_echo")]


@pytest.mark.parametrize(
    ("policies", "change"),
    [
        (FORBIDDING, "change that policy: a permit does not help against a forbid, or set authorizeSteps: false"),
        (UNPERMITTED, "permit it by a policy, or set authorizeSteps: false"),
    ],
)
async def test_what_policies_say_of_a_step_is_told_as_of_the_tool_itself(policies, change):
    steps = [{"id": "a", "tool": "one.hidden"}, {"id": "b", "tool": "one_hidden"}]
    config = having(composite("halfway", steps))
    for mode, conclusion in (("Enforce", "denied"), ("Shadow", "allowed")):
        auth = {"policies": policies, "mode": mode}
        async with (
            scene({"one": echoing()}, config=config, authorization=auth, name="p") as world,
            world.session() as client,
        ):
            await client.names("tools")
            found, plain = await world.explain("halfway"), await world.explain("one_hidden")
            assert (found["conclusion"], found["enforced"]) == (conclusion, "denied" if mode == "Shadow" else None)
            [chain], [of_tool] = found["chains"], plain["chains"]
            own = next(step for step in of_tool["steps"] if step["stage"] == "admission")
            told = [step for step in chain["steps"] if "its steps call" in step["reason"]]
            assert [step["reason"] for step in told] == [
                f"its steps call {name!r}: {own['reason']}" for name in ("one.hidden", "one_hidden")
            ]
            assert all(step.get("policies") == own.get("policies") for step in told)
            assert [step.get("change", "") for step in told] == [change if mode == "Enforce" else ""] * 2
