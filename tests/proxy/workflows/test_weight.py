"""What is said of JSON's memory before it is decoded, against what it takes then."""

import gc
import json
import tracemalloc

import msgspec
import pytest

from tests.proxy.workflows.playing import Acts, play, step, text, workflow
from vmcp_proxy.workflows.acts import ToolResult
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Completed
from vmcp_proxy.workflows.results import encode_json
from vmcp_proxy.workflows.weight import decode_json, weight_of, weight_of_values

EMOJI = "\U0001f600"
LENGTH = {"properties": {"n": {"type": "integer", "value": "{{ steps.a.output.text | length }}"}}}
MIB = 1 << 20


def kept_by(raw):
    """Bytes that its values take, once they have been written too, and those values."""
    gc.collect()
    tracemalloc.start()
    try:
        values = decode_json(raw)
        encode_json(values)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], values
    finally:
        tracemalloc.stop()


def written(value, **how):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, **how).encode()


TEXTS = {
    "ascii": written("a" * MIB),
    "an emoji first": written(EMOJI + "a" * MIB),
    "an emoji last": written("a" * MIB + EMOJI),
    "an escaped emoji": json.dumps(EMOJI + "a" * MIB).encode(),
    "an emoji across two parts": written("a" * 8190 + EMOJI + "a" * MIB),
    "an escape across two parts": json.dumps("a" * 8188 + EMOJI + "a" * MIB).encode(),
    "a wide escape across two parts": json.dumps("a" * 8187 + "\u4e2d" + "a" * MIB).encode(),
    "escaped quotes between": written(('"' * 9000 + "a" * 9000) * 50 + EMOJI),
    "backslashes before quotes": written((EMOJI + "\\" * 9000 + '"' * 9000) * 20),
    "latin": written("é" + "a" * MIB),
    "chinese": written("中文" * (MIB // 4)),
    "escaped chinese": json.dumps("中文" * (MIB // 16)).encode(),
    "texts of many parts": written([EMOJI + "a" * 100_000, "b" * 100_000, "a" * 100_000 + EMOJI] * 4),
    "one emoji among short texts": written([f"text {n} that is not so short" for n in range(20_000)] + [EMOJI]),
    "keys": written({f"{EMOJI} {n}" + "a" * 100: "" for n in range(3_000)}),
}


@pytest.mark.parametrize("raw", TEXTS.values(), ids=TEXTS.keys())
def test_the_weight_of_json_is_never_far_below_what_its_values_take(raw):
    kept, values = kept_by(raw)

    assert kept <= 1.25 * weight_of(raw)
    assert weight_of(msgspec.Raw(raw)) == weight_of(raw)
    assert kept <= 1.25 * weight_of_values(values, 1 << 30)


def test_texts_are_not_weighed_by_the_emoji_of_another_one():
    plain = written([f"text {n} that is not so short" for n in range(20_000)])

    assert weight_of(written([*json.loads(plain), EMOJI])) < 1.1 * weight_of(plain)
    assert weight_of(TEXTS["ascii"]) < 1.01 * MIB


@pytest.mark.parametrize("char", ["a", EMOJI])
def test_a_result_that_would_take_more_than_there_is_is_not_decoded(char):
    raw = json.dumps({"content": [{"type": "text", "text": char + "a" * 4 * MIB}]}, ensure_ascii=False).encode()
    flow = workflow(step("a"), output=LENGTH)

    tracemalloc.start()
    try:
        outcome = play(flow, Acts({"tools.a": ToolResult(raw)}), Engine(most_held=12 * MIB))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB
    if char == "a":
        assert isinstance(outcome, Completed)
    else:
        assert outcome.reason == (
            "the results of the steps take more memory, with what its steps gave, than a workflow may have"
        )


def test_half_a_character_is_read_only_where_there_is_room_for_the_copies():
    raw = b'{"content":[{"type":"text","text":"' + b"a" * MIB + rb'\ud83d"}]}'
    flow, acts = workflow(step("a"), output=LENGTH), Acts({"tools.a": ToolResult(raw)})

    assert isinstance(play(flow, acts, Engine(most_held=16 * MIB)), Completed)
    assert "more memory" in play(flow, acts, Engine(most_held=5 * MIB)).reason


def test_a_result_is_let_go_of_unless_it_may_be_that_of_the_workflow():
    large = text("x" * 5000)
    acts = Acts({"tools.a": large, "tools.b": large})
    steps = step("a"), step("b", dependsOn=["a"])
    unread = {"properties": {"x": {"type": "string", "value": "x"}}}

    assert isinstance(play(workflow(*steps, output=unread), acts, Engine(most_held=1000)), Completed)
    assert isinstance(play(workflow(*steps), acts, Engine(most_held=11_000)), Completed)
    assert "more memory" in play(workflow(*steps), acts, Engine(most_held=9000)).reason


def test_making_the_result_of_a_workflow_counts():
    loop = {"id": "a", "type": "forEach", "collection": "[1,2,3]", "step": {"tool": "tools.each"}}
    acts = Acts({"tools.each": text("x" * 5000)})

    assert isinstance(play(workflow(loop), acts, Engine(most_held=70_000)), Completed)
    outcome = play(workflow(loop), acts, Engine(most_held=40_000))
    assert outcome.text.startswith("the values of the result take more memory")
