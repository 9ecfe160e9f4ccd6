"""Claude and Cursor style files: what they become, and what is refused."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.config import Network, Transport
from vmcp_api.editor.servers import find_env_files, parse_mcp_servers
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.render import Rendered, encode_config, secret_refs

NOWHERE = Problems.of(Problem("cannot be read: No such file", "correct the path", file="canary.env"))


def parse(servers: Any, root: str = "mcpServers", *, env: dict[str, str] | None = None, **more: Any):
    return parse_text(json.dumps({root: servers, **more}), env)


def parse_text(text: str, env: dict[str, str] | None = None, files: dict[str, str] | None = None):
    return parse_mcp_servers(
        text, file="servers.json", environment=env or {}, read_text=lambda path: (files or {}).get(path, NOWHERE)
    )


def ok(result: Rendered | Problems) -> Rendered:
    assert isinstance(result, Rendered), str(result)
    return result


def refused(result: Rendered | Problems) -> str:
    assert isinstance(result, Problems)
    return str(result)


def withheld(result: Rendered | Problems) -> str:
    """What is said of a file whose only server is withheld."""
    rendered = ok(result)
    assert not rendered.config.backends
    (entry,) = rendered.config.withheld
    assert entry.reason == "InvalidEntry"
    assert entry.message.split("; ")[0] in str(rendered.warnings)
    return str(rendered.warnings)


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
    assert backend.sse_fallback == (not named)
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
    result = parse({"a": entry})
    assert len(ok(result).warnings) > 0
    assert "canary" not in str(result.warnings) + repr(result.warnings) + repr(result.config.withheld)


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
        (
            "${NOPE}",
            "servers.json:1: warning: mcpServers.a.env.A: needs the variable NOPE, which is not set, so that the",
        ),
        ("${env:NOPE}", "needs the variable NOPE"),
        (
            "${input:token}",
            "needs the variable input:token, which is not set, so that the server is withheld; only editors fill it in",
        ),
        ("${workspaceFolder}/x", "fill it in; write what it stands for, or set workspaceFolder in the environment"),
        (
            "${workspaceFolder:api}",
            "the variable workspaceFolder:api, which is not set, so that the server is withheld; only editors fill it",
        ),
        ("${userHome}", "only editors fill it in"),
    ],
)
def test_a_variable_that_is_not_set_is_named_at_its_place(text, said):
    assert said in withheld(parse({"a": {"command": "run", "env": {"A": text}}}))


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"comand": "run"}, "mcpServers.a.comand: is an unknown key, which is not read here; did you mean 'command'?"),
        ({}, "has neither command nor url"),
        ({"command": "", "url": None}, "has neither command nor url"),
        ({"command": "a", "url": "http://h"}, "has both command and url"),
        ({"url": "ws://h", "type": "ws"}, "mcpServers.a.type: names WebSockets, which are not spoken here"),
        ({"url": "ftp://h"}, "mcpServers.a.url: is no URL"),
        ({"url": "http://h:65536/mcp"}, "with a port of at most 65535"),
        ({"url": "http://h", "headers": {"X-A": "1", "x-a": "2"}}, "names a header twice"),
        ({"url": "http://h", "headers": {"X-A": ""}}, "mcpServers.a.headers['X-A']: the value of X-A is empty"),
        ({"command": "run", "args": "x"}, "mcpServers.a.args: must be a list"),
        ({"command": "run", "env": {"A": ["x"]}}, "mcpServers.a.env.A: must be text"),
        ({"command": "run", "env": ["A=b"]}, "mcpServers.a.env: must be a mapping"),
        ({"command": "${NOTHING:-}"}, "mcpServers.a.command: is empty"),
        ({"command": "run", "env": {"A": "\ud800"}}, "holds half a character"),
        ({"source": "extension", "settings": {}}, "has neither command nor url"),
        (["run"], "mcpServers.a: must be a mapping"),
    ],
)
def test_a_server_that_cannot_be_used_is_withheld_and_the_place_is_named(entry, said):
    alone = withheld(parse({"a": entry}))
    assert said in alone
    assert ", so that the server is withheld; " in alone
    beside = ok(parse({"a": entry, "b": {"command": "x"}}))
    assert [backend.name for backend in beside.config.backends] == ["b"]
    assert [each.name for each in beside.config.withheld] == ["a"]


def test_an_entry_without_command_and_url_is_told_to_write_one_and_one_with_both_to_keep_one():
    assert "withheld; write command for a program, url for a server" in withheld(parse({"a": {}}))
    both = {"command": "run", "url": "http://a.example/mcp"}
    assert "withheld; keep command for a program, url for a server" in withheld(parse({"a": both}))


def test_keys_of_editors_are_passed_over_with_a_warning():
    entry = {"command": "run", "autoApprove": ["x"], "description": "d", "disabled": False}
    result = ok(parse({"a": entry}, inputs=[]))
    assert [problem.path for problem in result.warnings] == [
        "",
        "mcpServers.a.autoApprove",
        "mcpServers.a.description",
    ]
    assert "other settings of this file are not read here: inputs;" in str(result.warnings)


@pytest.mark.parametrize(
    "said", [{"disabled": True}, {"disabled": "true"}, {"enabled": False}, {"isActive": False}, {"enabled": "False"}]
)
def test_a_disabled_server_is_left_out_by_name_whatever_else_it_says(said):
    result = ok(parse({"a": {**said, "env": {"A": "${NOPE}"}}}))
    assert (result.config.backends, result.config.withheld) == ((), ())
    (warning,) = map(str, result.warnings)
    assert warning.startswith("servers.json:1: warning: mcpServers.a: is disabled in this file and not served; ")


def names_of(*labels: str) -> dict[str, str]:
    """The names of the backends by the program that stands for their label."""
    result = ok(parse({label: {"command": f"run-{index}"} for index, label in enumerate(labels)}))
    names = {backend.command[0]: backend.name for backend in result.config.backends}
    return {label: names[f"run-{index}"] for index, label in enumerate(labels)}


def test_names_are_made_fit_for_tool_names():
    assert names_of("my server!", "time", "a.b-c_D1") == {
        "my server!": "my_server_",
        "time": "time",
        "a.b-c_D1": "a.b-c_D1",
    }


@pytest.mark.parametrize(
    "labels",
    [("日本", "日木"), ("ä", "ö", "_", "__"), ("a b", "a_b", "a!b"), ("x" * 70, "x" * 71), ("é" * 70, "è" * 70)],
)
def test_labels_that_look_alike_once_they_are_fit_are_served_side_by_side(labels):
    names = names_of(*labels)
    assert len(set(names.values())) == len(labels)
    assert names == names_of(*reversed(labels))
    for label, name in names.items():
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", name)
        assert name == label or not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", label)


def test_a_name_beyond_ascii_stays_the_same_whatever_stands_beside_it_and_is_told():
    result = ok(parse({"日本": {"command": "x"}}))
    (backend,) = result.config.backends
    assert names_of("日本", "日木", "__")["日本"] == backend.name
    (warning,) = result.warnings
    assert str(warning).startswith("servers.json:1: warning: mcpServers['日本']: is called '__-")
    assert backend.name in warning.message


def test_of_two_labels_with_one_name_the_first_is_served_and_the_other_named():
    (name,) = names_of("日本").values()
    result = ok(parse({"日本": {"command": "x"}, name: {"command": "y"}}))
    assert [backend.command for backend in result.config.backends] == [("x",)]
    assert f"mcpServers['{name}']: has the same name as another server" in str(result.warnings)


@pytest.mark.parametrize("label", ["", " "])
def test_a_server_without_a_name_is_named_by_its_line_and_not_served(label):
    result = ok(parse({label: {"command": "x"}, "b": {"command": "y"}}))
    assert [backend.name for backend in result.config.backends] == ["b"]
    assert f"servers.json:1: warning: mcpServers[{label!r}]: has no name, so that it is not" in str(result.warnings)


@pytest.mark.scenario("D-4")
def test_a_server_that_is_no_mapping_is_named_with_its_line():
    text = '{"mcpServers": {\n"a": {"command": "x"},\n"d": [],\n"e": null,\n"f": {"comand": "x"}}}'
    result = ok(parse_text(text))
    assert [backend.name for backend in result.config.backends] == ["a"]
    said = str(result.warnings).splitlines()
    assert [each.partition(",")[0] for each in said[:2]] == [
        "servers.json:3: warning: mcpServers.d: must be a mapping",
        "servers.json:4: warning: mcpServers.e: must be a mapping",
    ]
    assert said[2].startswith("servers.json:5: warning: mcpServers.f.comand: is an unknown key")


def test_what_windsurf_calls_a_url_is_one():
    (backend,) = ok(parse({"a": {"serverUrl": "http://h/mcp"}})).config.backends
    assert (backend.url, backend.transport) == ("http://h/mcp", Transport.STREAMABLE_HTTP)
    assert "mcpServers.a.serverUrl: is no URL" in withheld(parse({"a": {"serverUrl": "ftp://h"}}))
    assert ok(parse({"a": {"serverUrl": "http://h", "url": "http://h"}})).warnings == Problems()
    both = ok(parse({"a": {"serverUrl": "http://i", "url": "http://h"}}))
    assert [backend.url for backend in both.config.backends] == ["http://h"]
    assert "serverUrl: is not read beside url, which means the same" in str(both.warnings)


def test_a_file_of_variables_is_read_and_env_wins_over_it():
    entry = {"command": "run", "envFile": "${DIR}/x.env", "env": {"B": "of env"}}
    text = json.dumps({"servers": {"a": entry}})
    result = ok(parse_text(text, {"DIR": "/d"}, {"/d/x.env": "A=canary\nB=of file\n"}))
    (backend,) = result.config.backends
    values = {name: result.secrets[ref.name, ref.key].reveal() for name, ref in backend.env_from_secret.items()}
    assert values == {"A": b"canary", "B": b"of env"}
    assert "canary" not in repr(result)
    assert find_env_files(text, {"DIR": "/d"}) == ("/d/x.env",)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("canary.env", "names a file that cannot be read: No such file, so that the server is withheld; correct the"),
        ("bad.env", "names a file that is not understood in line 2"),
        ("${workspaceFolder}/canary.env", "needs the variable workspaceFolder, which is not set"),
        ("canary\0", "holds a NUL character"),
        (["canary"], "must be text"),
    ],
)
def test_a_file_of_variables_that_cannot_be_used_withholds_the_server_without_its_name_and_text(written, said):
    text = json.dumps({"mcpServers": {"a": {"command": "run", "envFile": written}}})
    result = parse_text(text, files={"bad.env": "A=canary\ncanary"})
    assert f"servers.json:1: warning: mcpServers.a.envFile: {said}" in withheld(result)
    assert "canary" not in str(result.warnings) + repr(result)


def test_comments_trailing_commas_and_a_byte_order_mark_are_passed_over():
    text = """\ufeff// of VS Code
    {"servers": {"a": {"url": "http://h/mcp", /* http://i */ "headers": {"X-A": "//,}",},},},}"""
    result = ok(parse_text(text))
    assert [backend.url for backend in result.config.backends] == ["http://h/mcp"]
    assert [value.reveal() for value in result.secrets.values()] == [b"//,}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "servers.json:1: is no JSON"),
        ('{"a": 1\n"b": 1}', "servers.json:2: is no JSON"),
        ("[]", "write the servers under mcpServers"),
        ("{}", "write the servers under mcpServers"),
        ('{"mcpservers": {}}', "servers.json:1: mcpservers: names no servers; did you mean 'mcpServers'?"),
        ('{"mcpServers": 1}', "must be a mapping of servers"),
        ('{"command": "x"}', "write the servers under mcpServers"),
        ("[mcp_servers.a]\ncommand = canary", "servers.json:2: is no TOML"),
        ("mcpServers:\n - [", "is no YAML"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_server_file_is_explained(text, said):
    assert said in refused(parse_text(text))
    assert "canary" not in refused(parse_text(text))


def test_of_a_key_that_stands_twice_the_last_counts_as_in_editors():
    result = ok(parse_text('{"mcpServers": {"a": {"command": "x",\n"command": "y"}}}'))
    assert [backend.command for backend in result.config.backends] == [("y",)]
    assert "servers.json:2: warning: mcpServers.a.command: stands here twice; remove one" in str(result.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "# Mine\napiVersion: vmcp.dev/v1beta1\nkind: MCPGroup\n",
        "---\napiVersion: vmcp.dev/v1beta1\n",
        '{"apiVersion": "vmcp.dev/v1beta1", "kind": "MCPGroup"}',
    ],
)
def test_a_manifest_is_recognised_and_told_how_it_is_given(text):
    assert "is a manifest and no editor's server file; leave --mcp-config out" in refused(parse_text(text))


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
    result = parse(servers)
    if isinstance(result, Rendered):
        encode_config(result.config)


def test_what_is_said_of_a_withheld_server_can_be_shown_and_sent_anywhere():
    text = '{"mcpServers": {"a\\u0007": {"command": "${\\ud800}\\u001b[2J"}}}'
    (entry,) = ok(parse_text(text)).config.withheld
    assert entry.message.isprintable()
    assert entry.message.isascii()
