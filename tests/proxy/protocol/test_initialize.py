"""The handshake's messages and the revisions."""

import json

import pytest

from vmcp_proxy.protocol.initialize import (
    encode_client_hello,
    encode_server_hello,
    mirrored_capabilities,
    parse_client_hello,
    parse_server_hello,
)
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS, LATEST, negotiate

HELLO = b'{"protocolVersion":"2025-06-18","capabilities":{"roots":{"x":1.0}},"clientInfo":{"name":"n","version":"1"}}'


def test_a_clients_hello_is_read_and_its_parts_kept_raw():
    hello = parse_client_hello(HELLO)
    assert (hello.requested_version, hello.version) == ("2025-06-18", "2025-06-18")
    assert hello.capabilities == b'{"roots":{"x":1.0}}'
    assert hello.client_info == b'{"name":"n","version":"1"}'


def test_capabilities_and_info_may_be_absent():
    hello = parse_client_hello(b'{"protocolVersion":"x"}')
    assert (hello.version, hello.capabilities, hello.client_info) == (LATEST, b"{}", b"{}")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"{}",
        b"[]",
        b'{"protocolVersion":5}',
        b'{"protocolVersion":"x","capabilities":[]}',
        b'{"protocolVersion":"x","clientInfo":"me"}',
    ],
)
def test_a_hello_of_the_wrong_shape_is_invalid(raw):
    with pytest.raises(InvalidParamsError):
        parse_client_hello(raw)


@pytest.mark.parametrize(
    ("declared", "heard"),
    [
        (b"{}", b"{}"),
        (b'{"tasks":{},"extensions":{"x":{}}}', b"{}"),
        (
            b'{"roots": {"listChanged": true},"sampling":{"n":18446744073709551616},"tasks":{},"elicitation":{}}',
            b'{"elicitation":{},"roots":{"listChanged":true},"sampling":{}}',
        ),
        (
            b'{"sampling":{"tools" : {"x":1},"context":null},"elicitation":{"url":{},"form":{"applyDefaults":true}}}',
            b'{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}}}',
        ),
        (b'{"roots":{"listChanged":false},"sampling":null,"elicitation":true}', b'{"roots":{}}'),
        (b'{"experimental":{"a":{"b":1}}}', b'{"experimental":{"a":{"b":1}}}'),
    ],
)
def test_a_backend_hears_of_the_capabilities_whose_requests_are_relayed_and_of_no_other(declared, heard):
    assert mirrored_capabilities(declared) == heard


def test_our_hello_to_a_backend_asks_for_the_latest_revision():
    hello = json.loads(encode_client_hello(b'{"roots":{}}', "9.9"))
    assert hello == {
        "protocolVersion": LATEST,
        "capabilities": {"roots": {}},
        "clientInfo": {"name": "vmcp", "version": "9.9"},
    }


def test_a_servers_hello_is_read():
    hello = parse_server_hello(b'{"protocolVersion":"v","capabilities":{"tools":{},"x\\ud800":{}},"instructions":"do"}')
    assert (hello.version, hello.offers, hello.instructions) == ("v", {"tools"}, "do")
    bare = parse_server_hello(b'{"protocolVersion":"v"}')
    assert (bare.offers, bare.instructions) == (frozenset(), None)
    for raw in (b"{}", b'{"protocolVersion":1}', b'{"protocolVersion":"v","capabilities":5}'):
        with pytest.raises(InvalidParamsError):
            parse_server_hello(raw)


@pytest.mark.parametrize(
    ("offers", "extra"),
    [
        (frozenset(), {}),
        (frozenset({"logging", "tools"}), {"logging": {}}),
        (frozenset({"logging", "completions", "tasks"}), {"completions": {}, "logging": {}}),
    ],
)
def test_our_answer_offers_lists_always_and_the_rest_only_while_someone_answers(offers, extra):
    answer = json.loads(encode_server_hello(version="v", name="n", server_version="1", offers=offers))
    always = {kind: {"listChanged": True} for kind in ("tools", "resources", "prompts")}
    assert answer["capabilities"] == always | extra
    assert (answer["protocolVersion"], answer["serverInfo"]) == ("v", {"name": "n", "version": "1"})


@pytest.mark.parametrize("version", ["", "2024-10-07", "2026-07-28", "nonsense"])
def test_a_revision_that_is_not_spoken_is_answered_with_the_latest(version):
    assert negotiate(version) == LATEST == max(CLIENT_REVISIONS)


@pytest.mark.parametrize("version", sorted(CLIENT_REVISIONS))
def test_a_revision_that_is_spoken_is_kept(version):
    assert negotiate(version) == version
