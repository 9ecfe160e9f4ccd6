"""Claude and Cursor style files: what they become, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.config import Network, Transport
from vmcp_api.mcpservers import parse_mcp_servers
from vmcp_api.problems import Problems
from vmcp_api.render import Rendered, secret_refs


def parse(servers: Any, root: str = "mcpServers", *, env: dict[str, str] | None = None, **more: Any):
    text = json.dumps({root: servers, **more})
    return parse_mcp_servers(text, file="servers.json", environment=env or {})


def ok(result: Rendered | Problems) -> Rendered:
    assert isinstance(result, Rendered), str(result)
    return result


def refused(result: Rendered | Problems) -> str:
    assert isinstance(result, Problems)
    return str(result)


@pytest.mark.scenario("D-2")
@pytest.mark.parametrize("root", ["mcpServers", "servers"])
def test_a_command_becomes_a_stdio_backend(root):
    entry = {"command": "python", "args": ["-m", "server"], "env": {"TOKEN": "canary"}, "cwd": "work"}
    result = ok(parse({"time": entry}, root))
    (backend,) = result.config.backends
    assert (backend.name, backend.transport, backend.network) == ("time", Transport.STDIO, Network.LOCAL)
    assert (backend.command, backend.cwd, backend.env) == (("python", "-m", "server"), "work", {})
    ref = backend.env_from_secret["TOKEN"]
    assert result.secrets[ref.name, ref.key].reveal() == b"canary"
    assert result.config.incoming_auth.type == "local"


@pytest.mark.scenario("D-2")
@pytest.mark.parametrize(
    ("named", "transport"),
    [
        ({}, Transport.STREAMABLE_HTTP),
        ({"type": "http"}, Transport.STREAMABLE_HTTP),
        ({"type": "streamable-http"}, Transport.STREAMABLE_HTTP),
        ({"transport": "sse"}, Transport.SSE),
    ],
)
def test_a_url_becomes_an_http_backend(named, transport):
    entry = {"url": "http://localhost:1/mcp", "headers": {"Authorization": "Bearer canary"}, **named}
    result = ok(parse({"api": entry}))
    (backend,) = result.config.backends
    assert (backend.url, backend.transport) == ("http://localhost:1/mcp", transport)
    (header,) = backend.header_forward.add_headers_from_secret
    assert header.header_name == "Authorization"
    ref = header.value_secret_ref
    assert result.secrets[ref.name, ref.key].reveal() == b"Bearer canary"


def test_values_never_show_in_what_is_returned():
    servers = {
        "a": {"command": "run", "env": {"A": "canary"}},
        "b": {"url": "http://h/mcp", "headers": {"X-A": "canary"}},
    }
    result = ok(parse(servers))
    assert "canary" not in repr(result)
    assert {(ref.name, ref.key) for ref in secret_refs(result.config)} == set(result.secrets)


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "http://h/mcp", "headers": {"X-A": "canary\n"}},
        {"url": "http://h/mcp", "headers": {"Host": "canary"}},
        {"url": "http://user:canary@h/mcp"},
        {"url": "http://h/mcp", "headers": "canary"},
        {"url": "http://h/mcp", "headers": {"X-A": ["canary"]}},
        {"command": "run", "env": {"1": "canary"}},
        {"command": "run", "token": "canary"},
        {"command": "run", "args": [1, "canary"], "type": "canary"},
    ],
)
def test_no_problem_shows_a_value(entry):
    problems = parse({"a": entry})
    assert isinstance(problems, Problems)
    assert len(problems.errors) > 0
    assert "canary" not in str(problems) + repr(problems)


def test_variables_are_filled_in_from_the_environment():
    entry = {
        "command": "${BIN}/run",
        "args": ["--key=${env:KEY}", "${NONE:-fallback}", "${none:-a:b}", "${none:-x}", "$KEY", "${KEY"],
        "env": {"A": "${KEY}"},
    }
    result = ok(parse({"a": entry}, env={"BIN": "/opt", "KEY": "${BIN}"}))
    (backend,) = result.config.backends
    assert backend.command == ("/opt/run", "--key=${BIN}", "fallback", "a:b", "x", "$KEY", "${KEY")
    assert [value.reveal() for value in result.secrets.values()] == [b"${BIN}"]


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${NOPE}", "servers.json: mcpServers.a.env.A: needs the variable NOPE, which is not set; set it in the"),
        ("${env:NOPE}", "needs the variable NOPE"),
        ("${input:token}", "needs the variable input:token, which is not set; only editors fill it in"),
    ],
)
def test_a_variable_that_is_not_set_is_named_at_its_place(text, said):
    assert said in refused(parse({"a": {"command": "run", "env": {"A": text}}}))


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"comand": "run"}, "mcpServers.a.comand: is an unknown key; did you mean 'command'?"),
        ({}, "has neither command nor url"),
        ({"command": "a", "url": "http://h"}, "has both command and url"),
        ({"command": "a", "type": "sse"}, "mcpServers.a.type: does not fit; write stdio"),
        ({"url": "http://h", "type": "stdio"}, "mcpServers.a.type: does not fit; write http or sse"),
        ({"url": "http://h", "type": ["x"]}, "does not fit"),
        ({"url": "ftp://h"}, "mcpServers.a.url: is no URL"),
        ({"url": "http://h", "headers": {"Mcp-Session-Id": "x"}}, "belongs to the MCP protocol"),
        ({"url": "http://h", "headers": {"X-A": "1", "x-a": "2"}}, "names a header twice"),
        ({"command": "run", "args": "x"}, "mcpServers.a.args: must be a list"),
        ({"command": "run", "env": {"A": 1}}, "mcpServers.a.env.A: must be text"),
        ({"command": ""}, "mcpServers.a.command: is empty"),
        ({"command": "run", "env": {"A": "\ud800"}}, "lone surrogates"),
    ],
)
def test_a_wrong_entry_is_explained_at_its_place(entry, said):
    assert said in refused(parse({"a": entry}))


def test_keys_of_editors_are_passed_over_with_a_warning():
    entry = {"command": "run", "autoApprove": ["x"], "description": "d", "disabled": False}
    result = ok(parse({"a": entry}, inputs=[]))
    assert [problem.path for problem in result.warnings] == [
        "inputs",
        "mcpServers.a.autoApprove",
        "mcpServers.a.description",
    ]


def test_a_disabled_server_is_left_out_whatever_else_it_says():
    assert ok(parse({"a": {"disabled": True, "env": {"A": "${NOPE}"}}})).config.backends == ()


def test_names_are_made_fit_for_tool_names_and_may_not_clash():
    result = ok(parse({"my server!": {"command": "run"}, "ä": {"command": "run"}}))
    assert [backend.name for backend in result.config.backends] == ["_", "my_server_"]
    assert "same name" in refused(parse({"a b": {"command": "x"}, "a_b": {"command": "x"}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "servers.json:1: is no JSON"),
        ('{"a": 1,\n}', "servers.json:2: is no JSON"),
        ("[]", "write the servers under mcpServers"),
        ("{}", "write the servers under mcpServers"),
        ('{"mcp_servers": {}}', "mcp_servers: names no servers; did you mean 'mcpServers'?"),
        ('{"mcpServers": []}', "must be a mapping of servers"),
        ('{"mcpServers": {"a": 1}}', "must be a mapping of servers"),
        ('{"mcpServers": {"a": {"command": "x", "command": "y"}}}', "repeated keys"),
        ("[" * 100_000, "deep nesting"),
    ],
)
def test_a_file_that_is_no_server_file_is_explained(text, said):
    assert said in refused(parse_mcp_servers(text, file="servers.json", environment={}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
ENTRY = st.dictionaries(
    st.sampled_from(["command", "args", "env", "cwd", "url", "headers", "type", "disabled", "other"]), JSON
)


@pytest.mark.scenario("X-1")
@given(st.dictionaries(st.text(max_size=9), ENTRY | JSON, max_size=3))
def test_any_entries_are_read_without_a_crash(servers):
    parse(servers)
