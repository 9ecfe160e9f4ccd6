"""Pure rules about hosts, origins and media types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.serve.chain.header_rules import HostRule, OriginRule, accepts, host_name, is_json, wants_stream

LOCAL_HOST = HostRule.of((), loopback=True)
LISTED_HOST = HostRule.of(("MCP.Example.com", "svc:8080"), loopback=False)
LOCAL_ORIGIN = OriginRule.of(("https://app.example.com/",), loopback=True)


@pytest.mark.scenario("C-5")
@pytest.mark.parametrize(
    ("rule", "host", "fine"),
    [
        (HostRule(), b"anything.example", True),
        (HostRule(), None, True),
        (LOCAL_HOST, b"localhost", True),
        (LOCAL_HOST, b"LOCALHOST:4483", True),
        (LOCAL_HOST, b"127.0.0.1:1", True),
        (LOCAL_HOST, b"127.1.2.3", True),
        (LOCAL_HOST, b"[::1]:4483", True),
        (LOCAL_HOST, b"[::1]", True),
        (LOCAL_HOST, b"::1", False),
        (LOCAL_HOST, b"localhost.evil.example", False),
        (LOCAL_HOST, b"evil.example:4483", False),
        (LOCAL_HOST, b"192.168.1.4", False),
        (LOCAL_HOST, b"localhost@evil.example", False),
        (LOCAL_HOST, b"localhost:x", False),
        (LOCAL_HOST, b"[::1]evil", False),
        (LOCAL_HOST, b"", False),
        (LOCAL_HOST, None, False),
        (LISTED_HOST, b"mcp.example.com", True),
        (LISTED_HOST, b"mcp.example.com:443", True),
        (LISTED_HOST, b"svc:8080", True),
        (LISTED_HOST, b"svc:8081", False),
        (LISTED_HOST, b"localhost", False),
        (LISTED_HOST, b"x.mcp.example.com", False),
    ],
)
def test_a_host_is_fine_or_not(rule, host, fine):
    assert rule.allows(host) is fine


@pytest.mark.scenario("C-5")
@pytest.mark.parametrize(
    ("origin", "fine"),
    [
        (b"http://localhost:6274", True),
        (b"https://127.0.0.1", True),
        (b"http://[::1]:3000", True),
        (b"https://APP.example.com", True),
        (b"http://app.example.com", False),
        (b"https://app.example.com:8443", False),
        (b"https://app.example.com.evil.example", False),
        (b"http://localhost.evil.example", False),
        (b"file://localhost", False),
        (b"localhost", False),
        (b"null", False),
        (b"", False),
    ],
)
def test_an_origin_is_fine_or_not(origin, fine):
    assert LOCAL_ORIGIN.allows(origin) is fine
    assert OriginRule().allows(origin) is False


@given(st.text())
def test_a_host_name_never_keeps_a_port_or_a_separator(text):
    name = host_name(text)
    assert name is None or (name and (text.startswith("[") or not set(name) & set(":/@")))


@given(st.binary())
def test_no_accept_value_breaks_the_rules(value):
    assert accepts(value, b"application/json") in (True, False)
    assert wants_stream(value) in (True, False)
    assert LOCAL_HOST.allows(value) in (True, False)
    assert LOCAL_ORIGIN.allows(value) in (True, False)


@pytest.mark.parametrize(
    ("accept", "json", "stream", "named"),
    [
        (None, True, True, False),
        (b"application/json, text/event-stream", True, True, True),
        (b"*/*", True, True, False),
        (b"application/*", True, False, False),
        (b"text/event-stream", False, True, True),
        (b"text/*;q=0.5", False, True, True),
        (b"Application/JSON;q=0.9,text/html", True, False, False),
        (b"application/json;q=0, */*", False, True, False),
        (b"application/json;q=0.000", False, False, False),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", True, True, False),
        (b"text/html", False, False, False),
        (b"", False, False, False),
        (b"application/jsonp", False, False, False),
    ],
)
def test_an_accept_value_admits_what_it_says(accept, json, stream, named):
    assert accepts(accept, b"application/json") is json
    assert accepts(accept, b"text/event-stream") is stream
    assert wants_stream(accept) is named


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        (b"application/json", True),
        (b"Application/JSON ; charset=utf-8", True),
        (b"application/json-rpc", False),
        (b"text/plain", False),
        (b"", False),
        (None, False),
    ],
)
def test_a_content_type_is_json_or_not(value, fine):
    assert is_json(value) is fine
