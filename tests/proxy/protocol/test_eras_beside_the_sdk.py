"""The same verdicts on modern requests as the Python SDK's own server comes to, for whatever clients may send."""

import json

from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import InboundLadderRejection, InboundModernRoute, classify_inbound_request
from mcp.shared.inbound import decode_header_value as decoded_by_sdk
from mcp.shared.inbound import encode_header_value as encoded_by_sdk

from vmcp_proxy.protocol.jsonrpc import parse_body
from vmcp_proxy.protocol.modern.eras import Modern, Refusal, classify
from vmcp_proxy.protocol.modern.header_values import decode_header_value, encode_header_value

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
STATUS = {-32602: 400, -32020: 400, -32022: 400}

versions = st.sampled_from(["2026-07-28", "2099-12-31", "2026-07-28 ", 7, None])
method_names = st.sampled_from(["tools/list", "tools/call", "prompts/get", "resources/read", "server/discover"])
names = st.sampled_from(["echo", "grüße", " echo ", "=?base64?ZWNobw==?=", "", None, 5, True])
metas = st.one_of(
    st.none(),
    st.just([]),
    st.fixed_dictionaries({}, optional={VERSION: versions, CAPABILITIES: st.just({}), "other": st.just(1)}),
)
texts = st.text(st.characters(codec="utf-8"), max_size=12)


@st.composite
def requests(draw):
    method = draw(method_names)
    member = "uri" if method == "resources/read" else "name"
    params = draw(st.one_of(st.just({}), st.builds(lambda name: {member: name}, names)))
    params |= draw(st.one_of(st.just({}), st.builds(lambda meta: {"_meta": meta}, metas)))
    headers = {"mcp-protocol-version": draw(st.sampled_from(["2026-07-28", "2099-12-31"]))}
    if (said := draw(st.one_of(st.none(), method_names, st.just(method)))) is not None:
        headers["mcp-method"] = said
    named = params.get(member)
    if (name := draw(st.one_of(st.none(), st.just("echo"), st.just(named)))) is not None:
        headers["mcp-name"] = encoded_by_sdk(str(name))
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers


@given(requests())
def test_the_sdk_and_we_take_and_refuse_the_same_requests(asked):
    body, headers = asked
    theirs = classify_inbound_request(body, headers=headers)
    fields = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    ours = classify("POST", fields.get, parse_body(json.dumps(body).encode()))
    if isinstance(theirs, InboundModernRoute):
        assert isinstance(ours, Modern), ours
        return
    assert isinstance(theirs, InboundLadderRejection)
    assert isinstance(ours, Refusal), theirs
    assert (ours.status, ours.code) == (STATUS[theirs.code], theirs.code)


@given(texts)
def test_values_are_written_and_read_as_the_sdk_does(text):
    assert encode_header_value(text).decode("ascii") == encoded_by_sdk(text)
    assert decode_header_value(encoded_by_sdk(text).encode("latin-1")) == text


@given(st.one_of(texts, st.builds("=?base64?{}?=".format, st.text("ABCDabcd0123+/=- ", max_size=12))))
def test_odd_values_are_read_as_the_sdk_does(text):
    value = text.encode("latin-1", "ignore")
    assert decode_header_value(value) == decoded_by_sdk(value.decode("latin-1"))
