"""What results are to templates, and what arguments are to tools: pure, by tables."""

import json
import tracemalloc

import pytest

from vmcp_api.templates import Budget, TemplateError
from vmcp_api.templates.decoding import RangeError
from vmcp_proxy.core.shares import Shares
from vmcp_proxy.workflows.arguments import InputShapes, fitted, shape_of
from vmcp_proxy.workflows.bounds import Held
from vmcp_proxy.workflows.reasons import MOST_REASON
from vmcp_proxy.workflows.results import Reads, ToolError, Values, read_result
from vmcp_proxy.workflows.weight import decode_json, read_json, weight_of

ALL = Reads(output=True, content=True)


def block(kind, **more):
    return {"type": kind, **more}


def texts(*said):
    return [block("text", text=each) for each in said]


@pytest.mark.parametrize(
    ("result", "output", "content"),
    [
        ({"content": texts("a")}, {"text": "a"}, {"text": "a"}),
        (
            {"content": texts("a", "b", "c")},
            {"text": "a", "text_1": "b", "text_2": "c"},
            {"text": "a", "text_1": "b", "text_2": "c"},
        ),
        ({"structuredContent": {"n": 1}, "content": texts("{}")}, {"n": 1}, {"text": "{}"}),
        ({"structuredContent": [1], "content": texts("[1]")}, {"text": "[1]"}, {"text": "[1]"}),
        ({"structuredContent": None, "content": texts("x")}, {"text": "x"}, {"text": "x"}),
        (
            {
                "content": [
                    block("image", data="aW1n", mimeType="image/png"),
                    block("audio", data="YXVk"),
                    block("resource", resource={"uri": "a:b", "text": "held"}),
                    block("resource", resource={"uri": "a:c", "blob": "YmxvYg=="}),
                    block("resource_link", uri="a:d", name="d"),
                    block("image", data="aW1n"),
                    block("dance", text="unknown"),
                    "no block",
                    {"text": "of no type"},
                ]
            },
            *[
                {
                    "image_0": "aW1n",
                    "audio_0": "YXVk",
                    "resource": "held",
                    "resource_1": "YmxvYg==",
                    "link": "a:d",
                    "image_1": "aW1n",
                }
            ]
            * 2,
        ),
        ({}, {}, {}),
        ({"content": None, "isError": None}, {}, {}),
        ({"content": "text", "isError": "false"}, {}, {}),
    ],
)
def test_a_result_is_its_structure_else_its_blocks_by_kind(result, output, content):
    raw = json.dumps(result).encode()

    assert read_result(raw, ALL, room(1 << 20)) == Values(output, content, None, weight_of(raw))
    assert read_result(raw, Reads(raw=True), room(1 << 20)) == Values({}, {}, raw, len(raw))


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"isError": True, "content": texts(" ", "no space left\n")}, "no space left"),
        ({"isError": True, "structuredContent": {"error": "why"}}, "why"),
        ({"isError": True, "structuredContent": {"message": "why"}, "content": []}, "why"),
        ({"isError": True, "content": [1, {"text": 2}]}, "the tool failed and did not say why"),
        ({"isError": True, "content": texts("x" * 5000)}, "x" * MOST_REASON + "…"),
    ],
)
def test_an_error_says_what_the_tool_says(result, reason):
    for reads in (ALL, Reads()):
        assert read_result(json.dumps(result).encode(), reads, room(1 << 20)) == ToolError(reason)


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"{", b"\xff", b"", b'{"content":' + b"[" * 5000])
def test_what_is_no_result_is_an_error(raw):
    for reads in (ALL, Reads()):
        assert read_result(raw, reads, room(1 << 20)) == ToolError("the tool answered with what is no result of a tool")


def test_a_text_that_was_cut_inside_a_character_is_read():
    raw = rb'{"content":[{"type":"text","text":"a\ud83d"}],"structuredContent":{"\udc00":"\ud83d\ude00 \\ud83d"}}'

    assert read_result(raw, ALL, room(1 << 20)) == Values(
        {"\ufffd": "\U0001f600 \\ud83d"}, {"text": "a\ufffd"}, None, weight_of(raw)
    )


def room(size):
    """What a run holds that may still have so much."""
    return Held(Shares(2 * size, size), "one", size)


def schema(**properties):
    return {"type": "object", "properties": properties}


STRING, INTEGER, NUMBER, BOOLEAN, NULL = ({"type": name} for name in ["string", "integer", "number", "boolean", "null"])


@pytest.mark.parametrize(
    ("of", "given", "fits"),
    [
        (STRING, 3, "3"),
        (STRING, True, "true"),
        (STRING, 2.5, "2.5"),
        (STRING, 3.0, "3"),
        (STRING, 1e300, "1e+300"),
        (STRING, None, None),
        (STRING, {"a": 1}, {"a": 1}),
        (INTEGER, "3", 3),
        (INTEGER, "-3", -3),
        (INTEGER, 3.0, 3),
        (INTEGER, "3.5", "3.5"),
        (INTEGER, "three", "three"),
        (INTEGER, True, True),
        (INTEGER, "9" * 500, "9" * 500),
        (NUMBER, "3.5e1", 35.0),
        (NUMBER, "3", 3),
        (NUMBER, "1e999", "1e999"),
        (NUMBER, "nan", "nan"),
        (BOOLEAN, "true", True),
        (BOOLEAN, "F", False),
        (BOOLEAN, "yes", "yes"),
        (BOOLEAN, 1, 1),
        ({"type": ["integer", "null"]}, "7", 7),
        ({"type": ["string", "integer"]}, "7", "7"),
        ({"anyOf": [INTEGER, NULL]}, "7", 7),
        ({"oneOf": [{"$ref": "#/$defs/x"}, NULL]}, "7", "7"),
        ({"enum": [1, 2]}, "1", "1"),
        ({}, 3, 3),
        ({"type": "array", "items": INTEGER}, ["1", 2, "x"], [1, 2, "x"]),
        (schema(deep=schema(n=INTEGER)), {"deep": {"n": "1", "other": "2"}}, {"deep": {"n": 1, "other": "2"}}),
        ({"type": "array", "items": INTEGER}, "[1]", "[1]"),
        (7, "7", "7"),
        ({"type": 7, "properties": [], "items": []}, "7", "7"),
    ],
)
def test_scalars_become_what_the_tool_declares_and_nothing_else_changes(of, given, fits):
    came = fitted({"x": given, "y": given}, shape_of(schema(x=of)))

    assert came == {"x": fits, "y": given}
    assert type(came["x"]) is type(fits)


def test_the_shape_of_a_descriptor_is_read_once_and_nonsense_has_none():
    shapes = InputShapes()
    descriptor = json.dumps({"name": "t", "inputSchema": schema(n=INTEGER)}).encode()

    assert shapes.of(descriptor) is shapes.of(bytes(bytearray(descriptor)))
    for odd in (b"[]", b"{", b'{"inputSchema":7}', b'{"inputSchema":{"properties":' + b"[" * 5000):
        assert shapes.of(odd) is None
    deep = b'{"inputSchema":' + b'{"items":' * 500 + b'{"type":"integer"}' + b"}" * 501
    assert shapes.of(deep) is None


def memory_of(text):
    """Bytes that the most which is allocated while a text is read."""
    tracemalloc.start()
    try:
        read_json(text, Budget())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "[" + ",".join(["[]"] * 20_000) + "]",
        "[" + ",".join(["{}"] * 20_000) + "]",
        "[" + ",".join(["1234567"] * 20_000) + "]",
        "[" + ",".join(['""'] * 20_000) + "]",
        "[" + ",".join(['{"a":1}'] * 20_000) + "]",
        "[" + ",".join(["1.5"] * 20_000) + "]",
        json.dumps({f"key {number}": f"value {number}" for number in range(20_000)}),
        json.dumps(["\u20ac" * 20_000]),
    ],
    ids=lambda text: text[:12],
)
def test_the_weight_of_json_is_about_what_it_takes_decoded(text):
    assert memory_of(text) < 4 * weight_of(text.encode())


def test_what_would_take_too_much_memory_is_not_decoded():
    with pytest.raises(TemplateError, match="more memory"):
        read_json("[" + "[]," * 600_000 + "[]]", Budget())
    raw = b'{"structuredContent":{"a":[' + b"[]," * 1000 + b"[]]}}"
    assert read_result(raw, ALL, room(weight_of(raw))).output["a"][0] == []
    assert "more memory" in read_result(raw, ALL, room(weight_of(raw) - 1)).reason


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1.5E+400"])
def test_a_number_that_values_cannot_hold_is_an_error_and_never_null(number):
    with pytest.raises(RangeError, match="too large"):
        decode_json(f'{{"n":[{number}]}}'.encode())
    with pytest.raises(TemplateError, match="too large"):
        read_json(f"[{number}]", Budget())
    raw = f'{{"structuredContent":{{"n":{number}}},"content":[]}}'.encode()
    assert read_result(raw, ALL, room(10_000)) == ToolError("the tool's result holds a number that is too large")
    # Nobody reads it: it is passed on as it came.
    assert read_result(raw, Reads(raw=True), room(10_000)).raw is raw


@pytest.mark.parametrize("reads", [Reads(output=True, content=True, raw=True), Reads(raw=True)])
def test_half_a_character_makes_no_result_unreadable_whether_or_not_somebody_reads_it(reads):
    raw = b'{"content":[{"type":"text","text":"x\\ud83d"}]}'
    assert read_result(raw, reads, room(10_000)).raw is raw


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_of_json_is_no_json(word):
    with pytest.raises(ValueError, match=r"NaN|Infinity|malformed"):
        decode_json(f"[{word}]".encode())
