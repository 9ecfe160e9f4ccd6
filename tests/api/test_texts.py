"""Characters that no line, terminal or program can take: refused where they would do harm, never shown."""

import json

import pytest
import yaml

from tests.api.manifests import manifest, problems_of
from vmcp_api.editor.servers import parse_mcp_servers
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.manifests.problems import Problem
from vmcp_api.render import Mode, Rendered, render
from vmcp_api.render.local import parse_command


@pytest.mark.scenario("X-2", "D-4")
@pytest.mark.parametrize(
    "text",
    [
        'apiVersion: v1\nkind: Secret\nmetadata: {name: "a\\e[2J\\nb"}\ndata: {k: "!"}\n',
        'apiVersion: x/v1\nkind: "P\\e[31m\\nd"\nmetadata: {name: a}\n',
        'apiVersion: "x/v1\\nevil"\nkind: VirtualMCPServer\nmetadata: {name: a}\n',
    ],
)
def test_no_problem_carries_control_characters_of_the_file_to_the_terminal(text):
    problems = load([Source("m.yaml", text)]).problems
    assert len(problems) > 0
    for problem in problems:
        assert str(problem).isprintable()


def test_what_is_not_printable_shows_as_an_escape_and_all_else_as_it_is():
    problem = Problem("is bad: \x1b[2Jé", "say ü", ("a",), subject="Kind/a\nb", file="m\r.yaml", value="\ud800")
    assert str(problem) == "m\\r.yaml: Kind/a\\nb: a: is bad: \\x1b[2Jé (found \\ud800); say ü"


@pytest.mark.scenario("X-1")
def test_a_command_annotation_of_any_depth_is_a_command_or_none():
    assert parse_command("[" * 100_000) == ()
    rendered = local("[" * 5_000)
    assert "is no command" in str(rendered.warnings)


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize("text", ['["\\ud800"]', '["run", "a\\u0000b"]', "run a\0b"])
def test_a_command_that_no_program_can_be_started_with_is_none(text):
    assert parse_command(text) == ()


def test_a_command_annotation_with_an_odd_word_is_refused_with_its_path():
    (problem,) = local('["run", "\\ud800"]').warnings
    assert (problem.path, problem.message) == ("metadata.annotations['vmcp.dev/local-command']", "is no command")


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"args": ["fine", "a\0b"]}, "spec.args[1]"),
        ({"env": [{"name": "A", "value": "a\0b"}]}, "spec.env[0].value"),
    ],
)
def test_a_nul_in_what_a_program_gets_is_refused_with_its_path(spec, path):
    (problem,) = problems_of("MCPServer", **spec)
    assert (problem.path, problem.remedy) == (path, "write text without NUL characters")


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize("odd", ["a\0b", "\ud800"], ids=["NUL", "half a character"])
@pytest.mark.parametrize("key", ["command", "args", "env", "cwd"])
def test_what_a_program_cannot_take_withholds_a_server_of_an_editors_file(key, odd):
    values = {"command": odd, "args": ["fine", odd], "env": {"A": odd}, "cwd": odd}
    entry = {"command": "run", key: values[key]}
    outcome = parse_mcp_servers(
        json.dumps({"mcpServers": {"a": entry}}), file="s.json", environment={}, read_text=lambda _: ""
    )
    assert isinstance(outcome, Rendered)
    assert [each.name for each in outcome.config.withheld] == ["a"]
    place = {"args": ".args[1]", "env": ".env.A"}.get(key, f".{key}")
    (problem,) = outcome.warnings
    assert problem.path == f"mcpServers.a{place}"
    assert "NUL" in problem.message or "half a character" in problem.message


def local(annotation: str) -> Rendered:
    server = manifest("MCPServer", annotations={"vmcp.dev/local-command": annotation})
    documents = (manifest("VirtualMCPServer", "front"), manifest("MCPGroup", "team"), server)
    loaded = load([Source("m.yaml", yaml.safe_dump_all(documents))])
    rendered = render(loaded.namespaces["ns"], "front", mode=Mode.LOCAL)
    assert isinstance(rendered, Rendered)
    return rendered
