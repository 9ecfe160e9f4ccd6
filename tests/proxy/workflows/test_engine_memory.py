"""What a run may hold at once: whatever it is made of is weighed before it is there."""

import asyncio

import pytest

from tests.proxy.workflows.playing import Acts, accept, play, step, text, workflow
from tests.support.virtual_time import run_virtually
from vmcp_proxy.workflows.acts import ElicitReply
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Busy, Completed
from vmcp_proxy.workflows.parameters import Invalid

PARAMETERS = {"type": "object", "properties": {"text": {"type": "string"}, "items": {"type": "array"}}}
OUTPUT = {"properties": {"x": {"type": "integer", "value": "{{ steps.a.output.text | length }}"}}}
LOOP = {"id": "loop", "type": "forEach", "step": {"tool": "tools.each", "arguments": {"t": "{{.params.text}}"}}}


def test_what_json_in_a_text_takes_counts_and_is_not_kept_beyond_its_template():
    many = text("[" + "[]," * 100 + "[]]")
    length = {"n": "{{ steps.a.output.text | fromjson | length }}"}
    flow = workflow(step("a"), *(step(f"b{n}", arguments=length, dependsOn=["a"]) for n in range(5)))

    assert isinstance(play(flow, Acts({"tools.a": many}), Engine(most_held=40_000)), Completed)
    outcome = play(flow, Acts({"tools.a": many}), Engine(most_held=20_000))
    assert outcome.reason == "arguments.n: the JSON of its texts takes more memory than there is; read less of it"


def test_arguments_are_held_as_long_as_their_calls_go_on():
    flow = workflow({**LOOP, "collection": "[1,2,3,4]", "maxParallel": 2}, parameters=PARAMETERS)

    acts = Acts({"tools.each": (1, text("x"))})
    assert isinstance(play(flow, acts, Engine(most_held=10_000), text="x" * 1000), Completed)
    outcome = play(flow, Acts({"tools.each": (1, text("x"))}), Engine(most_held=4_000), text="x" * 1000)
    assert "take more memory" in outcome.reason
    # One after the other there is room enough.
    flow = workflow({**LOOP, "collection": "[1,2,3,4]", "maxParallel": 1}, parameters=PARAMETERS)
    assert isinstance(play(flow, Acts(), Engine(most_held=4_000), text="x" * 1000), Completed)


@pytest.mark.parametrize(
    ("most_held", "said"),
    [
        (3_000, "its items take more memory, with what its steps gave, than a workflow may have"),
        (20_000, ""),
    ],
)
def test_the_items_of_a_loop_are_held_until_it_ends(most_held, said):
    inner = {"tool": "tools.each"}
    flow = workflow({**LOOP, "step": inner, "collection": "{{.params.items}}"}, parameters=PARAMETERS)
    acts = Acts()
    outcome = play(flow, acts, Engine(most_held=most_held), items=[{}] * 30)
    assert getattr(outcome, "reason", "") == said
    assert len(acts.calls) == (0 if said else 30)


def test_an_answer_counts_like_a_result():
    ask = {"id": "q", "type": "elicitation", "message": "?"}
    assert isinstance(play(workflow(ask), Acts(answers=[accept(x="y")]), Engine(most_held=1000)), Completed)
    outcome = play(workflow(ask), Acts(answers=[ElicitReply("accept", {}, 2000)]), Engine(most_held=1000))
    assert outcome.reason == "the answer takes more memory, with what its steps gave, than a workflow may have"


@pytest.mark.parametrize("ends", [True, False])
def test_arguments_of_the_workflow_count_and_all_is_given_back_however_it_ends(ends):
    engine, flow = Engine(most_held=10_000), workflow(step("a"), parameters=PARAMETERS)
    assert isinstance(play(flow, engine=engine, text="x" * 20_000), Invalid)

    async def run():
        running = asyncio.create_task(engine.run(flow, {"text": "x" * 6000}, Acts({"tools.a": 60})))
        await asyncio.sleep(1)
        if not ends:
            running.cancel()
        await asyncio.wait([running])

    before = engine.left
    run_virtually(run())
    assert engine.left == before


def test_a_caller_leaves_as_much_memory_to_others_as_its_workflows_hold():
    engine = Engine(most_held_in_all=10_000)
    flow = workflow(step("a"), step("b", dependsOn=["a"]), parameters=PARAMETERS)
    slow = {"tools.a": (60, text("done"))}

    async def crowd():
        bobs = [engine.run(flow, {"text": "x" * 2000}, Acts(slow, holder="Bob")) for _ in range(3)]
        return await asyncio.gather(*bobs, engine.run(flow, {"text": "x" * 2000}, Acts(slow, holder="Alice")))

    *bobs, alice = run_virtually(crowd())
    assert bobs.count(Busy(5)) == 1
    assert isinstance(alice, Completed)
    assert engine.left == 10_000


def test_a_step_says_that_others_have_the_memory_that_it_lacks():
    engine = Engine(most_held_in_all=10_000)
    flow = workflow(step("a"), step("b", dependsOn=["a"]), output=OUTPUT)
    large = text("x" * 4500)

    async def crowd():
        first = engine.run(flow, {}, Acts({"tools.a": large, "tools.b": 60}, holder="Bob"))
        return await asyncio.gather(first, engine.run(flow, {}, Acts({"tools.a": (1, large)}, holder="Alice")))

    bob, alice = run_virtually(crowd())
    assert isinstance(bob, Completed)
    assert alice.reason == (
        "the results of the steps take more memory than the workflows that run now have left; try again later"
    )
