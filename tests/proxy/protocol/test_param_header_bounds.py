"""What a tool's schema may cost by the headers that it declares, and what a call of it may."""

import json
import tracemalloc

import msgspec
import pytest

from vmcp_proxy.backends.modern import tools
from vmcp_proxy.backends.modern.tools import ToolHeaders
from vmcp_proxy.protocol.modern import param_headers
from vmcp_proxy.protocol.modern.param_headers import (
    BadAnnotation,
    find_mismatch,
    headers_for,
    may_declare,
    read_param_headers,
)

MIB = 1024 * 1024


def tool(schema: object, name: str = "t") -> bytes:
    return json.dumps({"name": name, "inputSchema": schema}).encode()


def text(header: object = "Region") -> dict[str, object]:
    return {"type": "string", "x-mcp-header": header}


def many(count: int) -> dict[str, object]:
    return {"properties": {f"p{each}": text(f"H{each}") for each in range(count)}}


def nested(inner: object, *names: str) -> object:
    for name in reversed(names):
        inner = {"properties": {name: inner}}
    return inner


def bomb(depth: int, leaves: int) -> bytes:
    inner = '{"properties":{' + ",".join(f'"{each:x}":{{}}' for each in range(leaves)) + "}}"
    schema = '{"properties":{"a":' * depth + inner + "}}" * depth
    return f'{{"name":"t","inputSchema":{schema},"_meta":"x-mcp-header"}}'.encode()


def peak_of_reading(raw: bytes) -> int:
    tracemalloc.start()
    try:
        read_param_headers(raw)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nesting_does_not_multiply_what_the_leaves_of_a_schema_take():
    assert peak_of_reading(bomb(200, 15_000)) < 1.5 * peak_of_reading(bomb(1, 15_000)) + MIB


def test_a_schema_that_is_longer_than_is_searched_is_not_decoded():
    raw = bomb(200, 100_000)
    assert peak_of_reading(raw) < 4 * len(raw)


@pytest.mark.parametrize("key", ["x-mcp-header", "x-mcp-heade\\u0072"])
def test_a_longer_schema_is_refused_only_where_the_keyword_stands_in_it(key):
    padding = "\\u00e9" * 60_000
    schema = f'{{"description":"{padding}","properties":{{"a":{{"type":"string","%s":"A"}}}}}}'
    read = read_param_headers(f'{{"name":"t","inputSchema":{schema % key}}}'.encode())
    assert isinstance(read, BadAnnotation)
    assert "262144" in read.reason
    assert read_param_headers(f'{{"name":"t","description":"{key}","inputSchema":{schema % "title"}}}'.encode()) == ()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"x-mcp-header":1}', True),
        (rb'{"\u0078\u002dmcp\u002Dheader":1}', True),
        (rb'{"\u0078-\u006d\u0063\u0070-\u0068\u0065\u0061\u0064\u0065\u0072":1}', True),
        (rb'{"\u006D\u00e9":"caf\u00e9"}', False),
        (rb'{"x-mcp-heade\U0072":1}', False),
        (b'{"X-Mcp-Header":1}', False),
    ],
)
def test_escapes_matter_only_where_they_spell_the_keyword(raw, expected):
    assert may_declare(raw) is expected


@pytest.mark.parametrize(
    ("within", "beyond", "says"),
    [
        (many(64), many(65), "more than 64"),
        (nested(text(), *"abcdefghijklmnop"), nested(text(), *"abcdefghijklmnopq"), "more than 16 names"),
        (nested(text(), "a" * 1_000, "b" * 24), nested(text(), "a" * 1_000, "b" * 25), "1024 characters"),
        (nested(text("h" * 128), "a"), nested(text("h" * 129), "a"), "over 128 characters"),
    ],
)
def test_a_tool_that_declares_too_much_is_a_bad_one_and_says_why(within, beyond, says):
    assert isinstance(read_param_headers(tool(within)), tuple)
    read = read_param_headers(tool(beyond))
    assert isinstance(read, BadAnnotation)
    assert says in read.reason


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    seen: list[bytes] = []
    decode = param_headers.decode_members

    def count(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
        seen.append(bytes(raw))
        return decode(raw)

    monkeypatch.setattr(param_headers, "decode_members", count)
    return seen


@pytest.mark.parametrize(
    "arguments",
    [
        {"o": {each: each for each in "abc"}, "a": "x", "b": "y"},
        {"o": "flat", "a": "x"},
        {"o": None},
        {},
    ],
)
def test_each_object_of_the_arguments_is_decoded_once_for_all_headers(decoded, arguments):
    inner = {"properties": {each: text(f"O-{each}") for each in "abc"}}
    declared = read_param_headers(tool({"properties": {"a": text("A"), "b": text("B"), "o": inner}}))
    assert isinstance(declared, tuple)
    raw = json.dumps(arguments).encode()
    decoded.clear()
    sent = {name.decode(): value for name, value in headers_for(declared, raw)}
    assert len(decoded) == len(set(decoded)) <= 2
    decoded.clear()
    assert find_mismatch(declared, raw, sent.get) == ""
    assert len(decoded) == len(set(decoded)) <= 2


def test_headers_of_tools_that_a_backend_lists_are_kept_up_to_a_sum(monkeypatch):
    monkeypatch.setattr(tools, "_MOST", 5)
    headers = ToolHeaders()

    def listed(*raw: bytes) -> None:
        headers.take("tools/list", b'{"tools":[' + b",".join(raw) + b"]}")

    def kept(name: str) -> int:
        return len(headers.declared({"name": msgspec.Raw(json.dumps(name).encode())}))

    listed(tool(many(3), "a"), tool(many(3), "b"), tool(many(2), "c"))
    assert [kept(name) for name in "abc"] == [3, 0, 2]
    listed(tool({}, "a"), tool(many(3), "b"), tool(many(2), "c"))
    assert [kept(name) for name in "abc"] == [0, 3, 2]
