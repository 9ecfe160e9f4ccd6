"""Of which era a request is, and what is wrong with one of the modern era."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from vmcp_proxy.protocol.jsonrpc import Batch, Request, parse_body
from vmcp_proxy.protocol.modern.envelope import Envelope
from vmcp_proxy.protocol.modern.eras import LEGACY, MODERN_NOTIFICATION, Modern, Refusal, classify
from vmcp_proxy.protocol.modern.header_values import decode_header_value, encode_header_value
from vmcp_proxy.protocol.modern.repeated import Repeated
from vmcp_proxy.protocol.params import parse_members
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CLIENT = "io.modelcontextprotocol/clientInfo"
LEVEL = "io.modelcontextprotocol/logLevel"
META = {VERSION: "2026-07-28", CAPABILITIES: {}}
LIST = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
CALL = {**LIST, "mcp-method": "tools/call", "mcp-name": "echo"}


def verdict(method="tools/list", params=None, headers=LIST, http="POST", **more):
    message = {"jsonrpc": "2.0", "id": 1, "method": method, **more}
    if params is not None:
        message["params"] = params
    fields = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    return classify(http, fields.get, parse_body(json.dumps(message).encode()) if http == "POST" else None)


def modern(method="tools/list", headers=LIST, meta=META, **params):
    return verdict(method, {**params, "_meta": meta}, headers)


def refused(found, status, code):
    assert isinstance(found, Refusal), found
    assert (found.status, found.code) == (status, code)
    return found


@pytest.mark.scenario("P-8")
def test_a_request_whose_headers_say_what_its_body_says_is_modern():
    assert modern() == Modern(Envelope(b"{}"))
    told = {**META, CAPABILITIES: {"sampling": {}}, CLIENT: {"name": "c", "version": "1"}, LEVEL: "warning"}
    found = modern("tools/call", CALL, told, name="echo", arguments={"a": 1})
    assert found == Modern(Envelope(b'{"sampling": {}}', b'{"name": "c", "version": "1"}', "warning"))


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize("revision", [None, *sorted(CLIENT_REVISIONS)])
def test_what_names_a_legacy_revision_or_none_is_legacy(revision):
    headers = {} if revision is None else {"mcp-protocol-version": revision}
    assert verdict("initialize", {"protocolVersion": "2025-11-25"}, headers) is LEGACY
    assert verdict("tools/list", {"_meta": {"progressToken": 1}}, headers) is LEGACY
    assert verdict("notifications/initialized", None, headers) is LEGACY
    assert verdict("tools/list", {"_meta": {VERSION: "2025-11-25"}}, headers) is LEGACY
    assert verdict(http="GET", headers=headers) is LEGACY
    assert verdict(http="DELETE", headers=headers) is LEGACY


@pytest.mark.scenario("P-8")
def test_in_a_session_everything_is_legacy():
    session = {"mcp-session-id": "s", "mcp-protocol-version": "2025-11-25"}
    assert verdict("tools/list", {"_meta": META}, session) is LEGACY
    assert classify("POST", {b"mcp-session-id": b"s"}.get, Batch((b"{}",))) is LEGACY


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": "2025-11-25"}])
def test_a_modern_body_without_its_header_contradicts_itself(headers):
    assert "MCP-Protocol-Version" in refused(modern(headers=headers), 400, -32020).message


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize(
    "params",
    [None, {}, {"_meta": None}, {"_meta": []}, {"_meta": {VERSION: "2026-07-28"}}, {"_meta": {CAPABILITIES: {}}}, []],
)
def test_a_modern_request_needs_its_envelope(params):
    assert VERSION in refused(verdict(params=params), 400, -32602).message


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize(
    ("method", "change", "params"),
    [
        ("tools/list", {"mcp-method": None}, {}),
        ("tools/list", {"mcp-method": "TOOLS/LIST"}, {}),
        ("tools/list", {"mcp-method": "prompts/list"}, {}),
        ("tools/call", {"mcp-name": None}, {"name": "echo"}),
        ("tools/call", {"mcp-name": "other"}, {"name": "echo"}),
        ("tools/call", {"mcp-name": "Echo"}, {"name": "echo"}),
        ("tools/call", {"mcp-name": "5"}, {"name": 5}),
        ("tools/call", {"mcp-name": "=?base64?ZWNobw?="}, {"name": "echo"}),
        ("prompts/get", {"mcp-name": "other"}, {"name": "echo"}),
        ("resources/read", {"mcp-name": "test://b"}, {"uri": "test://a"}),
    ],
)
def test_headers_that_do_not_repeat_the_body_are_refused(method, change, params):
    headers = {**CALL, "mcp-method": method, **change}
    headers = {name: value for name, value in headers.items() if value is not None}
    refused(modern(method, headers, **params), 400, -32020)


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize("name", ["echo", " echo", "grüße", "a\nb", "=?base64?ZWNobw==?=", "", "🙂"])
def test_a_name_that_no_field_can_carry_travels_in_base64(name):
    value = encode_header_value(name)
    assert decode_header_value(value) == name
    headers = {**CALL, "mcp-name": value.decode()}
    assert isinstance(modern("tools/call", headers, name=name), Modern)


@pytest.mark.scenario("P-8")
def test_a_name_that_is_lacking_is_told_by_who_reads_the_params():
    headers = {name: value for name, value in CALL.items() if name != "mcp-name"}
    assert isinstance(modern("tools/call", headers), Modern)
    assert isinstance(modern("tools/call", headers, name=None), Modern)


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize("version", ["2099-01-01", "v999.0.0", "2024-01-01", "DRAFT-2026-v1"])
def test_an_unknown_revision_is_refused_with_those_that_are_spoken(version):
    headers = {**LIST, "mcp-protocol-version": version}
    found = refused(modern(headers=headers, meta={**META, VERSION: version}), 400, -32022)
    data = json.loads(found.data)
    assert data["requested"] == version
    assert data["supported"][0] == "2026-07-28"
    assert set(data["supported"]) == {"2026-07-28", *CLIENT_REVISIONS}
    refused(modern(meta={**META, VERSION: version}), 400, -32020)


@pytest.mark.scenario("C-11", "P-8")
@pytest.mark.parametrize("version", ["", "1999-01-01", "2025-01-01", "latest"])
def test_a_revision_that_no_body_explains_is_an_unknown_one(version):
    headers = {"mcp-protocol-version": version}
    found = refused(verdict("initialize", {"protocolVersion": "2025-11-25"}, headers), 400, -32600)
    assert "2025-11-25" in found.message
    refused(verdict("notifications/initialized", None, headers), 400, -32600)
    refused(verdict(http="GET", headers=headers), 400, -32600)


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "unknown/method", ""],
)
def test_methods_of_the_other_era_and_unknown_ones_are_not_found(method):
    refused(modern(method, {**LIST, "mcp-method": method}), 404, -32601)


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize(
    "wrong",
    [
        {CAPABILITIES: []},
        {CAPABILITIES: None},
        {CAPABILITIES: {"experimental": {"x": "y" * (16 << 10)}}},
        {LEVEL: "loud"},
        {LEVEL: 3},
    ],
)
def test_an_envelope_of_another_shape_is_refused(wrong):
    refused(modern(meta={**META, **wrong}), 400, -32602)


@pytest.mark.scenario("P-8")
def test_what_may_be_odd_in_an_envelope_costs_nothing():
    assert modern(meta={**META, LEVEL: None, CLIENT: "me"}) == Modern(Envelope(b"{}"))


@pytest.mark.scenario("P-8")
def test_a_lone_surrogate_elsewhere_in_the_params_hides_no_envelope():
    params = b'{"x":"\\ud800","_meta":%b}' % json.dumps(META).encode()
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":%b}' % params
    fields = {name.encode(): value.encode() for name, value in LIST.items()}
    assert classify("POST", fields.get, parse_body(body)) == Modern(Envelope(b"{}"))


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize("http", ["GET", "DELETE"])
def test_the_modern_era_has_no_streams_to_open_and_no_sessions_to_end(http):
    found = refused(verdict(http=http), 405, -32600)
    assert (b"allow", b"POST") in found.headers


@pytest.mark.scenario("P-8")
def test_a_notification_is_taken_and_answers_and_batches_are_not():
    headers = {b"mcp-protocol-version": b"2026-07-28"}
    notification = parse_body(b'{"jsonrpc":"2.0","method":"notifications/cancelled"}')
    assert classify("POST", headers.get, notification) is MODERN_NOTIFICATION
    later = {b"mcp-protocol-version": b"2099-01-01"}
    refused(classify("POST", later.get, notification), 400, -32022)
    refused(classify("POST", headers.get, parse_body(b'{"jsonrpc":"2.0","id":1,"result":{}}')), 400, -32600)
    refused(classify("POST", headers.get, Batch((b"{}",))), 400, -32600)


def test_refusals_show_no_more_of_a_value_than_a_line():
    long = "x" * 10_000
    assert len(refused(modern("tools/call", {**CALL, "mcp-name": long}, name="echo"), 400, -32020).message) < 400
    assert len(refused(modern("tools/call", CALL, name=long), 400, -32020).message) < 400
    headers = {**LIST, "mcp-protocol-version": long}
    assert len(refused(modern(headers=headers, meta={**META, VERSION: long}), 400, -32022).data) < 400


_VALUES = st.sampled_from(
    [
        "2026-07-28",
        "2025-11-25",
        "2031-01-01",
        {},
        {"sampling": {}},
        {"roots": {}, "x": "y" * 2000},
        None,
        1,
        "info",
        "loud",
    ]
)
_ENVELOPES = st.one_of(
    st.just(META),
    st.dictionaries(st.sampled_from([VERSION, CAPABILITIES, CLIENT, LEVEL, "progressToken"]), _VALUES, max_size=5),
)
_PARAMS = st.fixed_dictionaries(
    {}, optional={"_meta": _ENVELOPES, "name": st.sampled_from(["echo", "other", None, 1]), "arguments": st.just({})}
)
_BODIES = st.tuples(st.sampled_from(["tools/call", "tools/list", "initialize", "no/such"]), _PARAMS)


@pytest.mark.scenario("P-8", "X-1")
@settings(max_examples=examples(200))
@given(st.lists(_BODIES, min_size=2, max_size=8), st.sampled_from([CALL, LIST, {"mcp-protocol-version": "2031-01-01"}]))
def test_what_was_found_of_a_request_with_the_same_head_changes_no_verdict(bodies, headers):
    fields, repeated = {name.encode(): value.encode() for name, value in headers.items()}, Repeated()
    for method, params in [each for body in bodies for each in (body, body)]:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        message = parse_body(body)
        fresh = classify("POST", fields.get, message)
        known = repeated.envelope(
            method, {name: msgspec.Raw(json.dumps(each).encode()) for name, each in params.items()}
        )
        if known is not None:
            assert isinstance(fresh, Modern)
            assert msgspec.structs.replace(known, is_all=False) == fresh.envelope
            assert not known.is_all or set(params["_meta"]) <= {VERSION, CAPABILITIES, CLIENT, LEVEL}
        assert classify("POST", fields.get, message, repeated) == fresh


@pytest.mark.scenario("P-8")
def test_the_verdict_on_a_request_with_the_same_head_and_envelope_is_the_one_before():
    fields, repeated = {name.encode(): value.encode() for name, value in CALL.items()}, Repeated()
    params = {"name": "echo", "_meta": META}
    bodies = (
        json.dumps({"jsonrpc": "2.0", "id": at, "method": "tools/call", "params": {**params, "arguments": {"at": at}}})
        for at in range(2)
    )
    first, second = (parse_body(body.encode()) for body in bodies)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    verdict = classify("POST", fields.get, first, repeated)
    assert isinstance(verdict, Modern)
    assert repeated.envelope(second.method, parse_members(second.params)) == Envelope(b"{}", is_all=True)


@pytest.mark.scenario("P-8")
def test_an_envelope_that_stands_alone_is_known_as_it_is_written_also_after_one_that_does_not():
    fields, repeated = {name.encode(): value.encode() for name, value in CALL.items()}, Repeated()
    seen = []
    for more in ({"progressToken": 1}, {}, {"progressToken": 2}, {}, {"a": 1}, {}):
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "_meta": META | more}}
        message = parse_body(json.dumps(body).encode())
        assert isinstance(message, Request)
        known = repeated.envelope(message.method, parse_members(message.params))
        if known is None:
            assert isinstance(classify("POST", fields.get, message, repeated), Modern)
        seen.append(None if known is None else known.is_all)
    assert seen == [None, False, False, True, False, True]
