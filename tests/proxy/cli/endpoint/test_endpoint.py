"""Commands that ask an endpoint, and the same straight from files without serving."""

import json
import sys

import pytest

from tests.proxy.cli.commands import EXAMPLE, run_vmcp, serving

# Each of them starts programs, which a busy machine takes long for.
pytestmark = [pytest.mark.scenario("D-6"), pytest.mark.timeout(300)]

OFFERING = """
import base64, json, sys
BYTES = base64.b64encode(bytes(range(256))).decode()
READ = {
    "test://text": {"uri": "test://text", "mimeType": "text/plain", "text": "written"},
    "test://bytes": {"uri": "test://bytes", "mimeType": "application/octet-stream", "blob": BYTES},
}
GREET = {"name": "greet", "arguments": [{"name": "name", "required": True}]}
def result(method, params):
    match method:
        case "initialize":
            return {"protocolVersion": "2025-11-25", "capabilities": {"resources": {}, "prompts": {}},
                    "serverInfo": {"name": "offering", "version": "1"}}
        case "resources/list":
            return {"resources": [{"uri": uri, "name": uri[7:], "mimeType": READ[uri]["mimeType"]} for uri in READ]}
        case "resources/templates/list":
            return {"resourceTemplates": []}
        case "resources/read":
            return {"contents": [READ[params["uri"]]]}
        case "prompts/list":
            return {"prompts": [GREET]}
        case "prompts/get":
            text = f"Greet {params['arguments']['name']}."
            return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}
    return {}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        try:
            answer = {"result": result(message["method"], message.get("params"))}
        except KeyError:
            answer = {"error": {"code": -32002, "message": "Resource not found"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"]} | answer), flush=True)
"""
"""Light, for it is started for each command; servers on the SDKs have tests of their own."""


@pytest.fixture
def file(tmp_path):
    servers = {
        "ex": {"command": EXAMPLE[0], "args": EXAMPLE[1:]},
        "of": {"command": sys.executable, "args": ["-c", OFFERING]},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return str(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resources",), "test://bytes"),
        (("prompts",), "of_greet"),
        (("read", "test://text"), "written\n"),
        (("get", "of_greet", "--arg", "name=Ada"), "Greet Ada."),
    ],
)
def test_resources_and_prompts_are_listed_and_read_straight_from_a_file(file, words, said):
    ended = run_vmcp(*words, "--mcp-config", file)
    assert ended.code == 0, ended.err
    assert said in ended.out


def test_the_bytes_of_a_resource_are_written_to_a_file(file, tmp_path):
    target = tmp_path / "out"
    assert run_vmcp("read", "--mcp-config", file, "test://bytes", "--to", str(target)).code == 0
    assert target.read_bytes() == bytes(range(256))


def test_tools_are_listed_and_called_straight_from_a_file_and_what_failed_is_named(file, tmp_path):
    servers = json.loads((tmp_path / "mcp.json").read_text())
    servers["mcpServers"]["gone"] = {"command": "no-such-program"}
    (tmp_path / "mcp.json").write_text(json.dumps(servers))
    called = run_vmcp("call", "--mcp-config", file, "ex_echo", "--arg", "text=hi")
    assert (called.code, called.out) == (0, "hi\n")
    assert "gone" in called.err
    status = run_vmcp("status", "--mcp-config", file, "-o", "json")
    assert status.code == 1
    states = {each["name"]: each["status"] for each in json.loads(status.out)["backends"]}
    assert states == {"ex": "healthy", "of": "healthy", "gone": "unhealthy"}


async def test_the_status_of_an_endpoint_has_backends_and_sessions_and_says_when_nothing_answers(file):
    async with serving("--mcp-config", file) as served:
        url = await served.status_url()
        await served.line("backend is up", "name=ex")
        await served.line("backend is up", "name=of")
        shown = run_vmcp("status", url)
        assert (shown.code, "sessions: 0" in shown.out) == (0, True)
    ended = run_vmcp("status", url)
    assert ended.code == 4
    assert "is `vmcp serve` running?" in ended.err
    assert run_vmcp("status", "--mcp-config", file, url).code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("call", "ex_ecko"), "there is no tool 'ex_ecko'; did you mean 'ex_echo'?"),
        (("get", "of_greed"), "there is no prompt 'of_greed'; did you mean 'of_greet'?"),
        (("read", "test://texts"), "there is no resource 'test://texts'; did you mean 'test://text'?"),
    ],
)
def test_a_name_that_there_is_not_brings_a_near_one_to_mind(file, words, said):
    ended = run_vmcp(words[0], "--mcp-config", file, *words[1:])
    assert ended.code == 1
    assert said in ended.err


def test_an_argument_that_a_prompt_needs_is_named_with_the_way_to_give_it(file):
    ended = run_vmcp("get", "--mcp-config", file, "of_greet", "--arg", "nam=Ada")
    assert ended.code == 2
    assert "Prompt 'of_greet' needs name; add --arg name=..." in " ".join(ended.err.split())


@pytest.mark.parametrize("words", [("call", "gone_x"), ("get", "gone_x"), ("read", "test://gone")])
def test_a_name_that_a_backend_may_have_which_is_down_names_the_backend_and_the_reason(file, tmp_path, words):
    servers = json.loads((tmp_path / "mcp.json").read_text())
    servers["mcpServers"]["gone"] = {"command": "no-such-program"}
    (tmp_path / "mcp.json").write_text(json.dumps(servers))
    ended = run_vmcp(words[0], "--mcp-config", file, *words[1:])
    assert ended.code == 1
    assert "backend 'gone' is not running" in ended.err
    assert "no-such-program" in ended.err


def test_the_status_of_a_file_without_servers_says_that_there_are_none(tmp_path):
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {}}')
    ended = run_vmcp("status", "--mcp-config", str(file))
    assert ended.code == 1
    assert "the config names no server" in ended.out
