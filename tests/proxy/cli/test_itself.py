"""An editor's file that also holds the entry of the endpoint that serves it: `vmcp clients --write` puts one there."""

import json
from pathlib import Path

import pytest

from tests.proxy.cli.commands import EXAMPLE, call_vmcp
from vmcp_api.naming import MCP_PORT
from vmcp_proxy.cli.serve.sources import McpConfigSource

pytestmark = pytest.mark.scenario("D-7")

WORKS = {"command": EXAMPLE[0], "args": EXAMPLE[1:]}


def served(file, entry, port=MCP_PORT):
    file.write_text(json.dumps({"mcpServers": {"works": WORKS, "vmcp": entry}}))
    reading = McpConfigSource(file, {}, port=port).load()
    return [backend.name for backend in reading.loaded.config.backends], [str(each) for each in reading.warnings]


def starts(*arguments, program=("vmcp",)):
    return {"command": program[0], "args": [*program[1:], "serve", "--stdio", *arguments]}


def test_what_clients_writes_into_the_file_that_is_served_is_not_served_in_turn(capsys, tmp_path):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"works": WORKS}}))
    words = ("--mcp-config", str(file), "--to", str(file), "--write")
    assert call_vmcp(capsys, "clients", "claude-desktop", *words).code == 0
    names, said = served(file, json.loads(file.read_text())["mcpServers"]["vmcp"], port=None)
    assert names == ["works"]
    (line,) = said
    assert "mcpServers.vmcp: is the endpoint that serves this file, and not served in turn; nothing to do" in line
    checked = call_vmcp(capsys, "validate", "--mcp-config", str(file))
    assert "is the endpoint that serves this file" in checked.out
    assert "ok: 1 server " in checked.out


def test_validate_names_a_url_that_leads_back_where_serve_would_on_its_default_port(capsys, tmp_path):
    file = tmp_path / "mcp.json"
    entries = {"works": WORKS, "vmcp": {"url": f"http://localhost:{MCP_PORT}/mcp"}, "other": {"url": "http://[::1]:1/"}}
    file.write_text(json.dumps({"mcpServers": entries}))
    checked = call_vmcp(capsys, "validate", "--mcp-config", str(file))
    assert "mcpServers.vmcp: is the endpoint that serves this file" in checked.out
    assert "ok: 2 servers " in checked.out
    assert checked.code == 0


@pytest.mark.parametrize(
    "entry",
    [
        {"url": f"http://127.0.0.1:{MCP_PORT}/mcp"},
        {"url": f"http://localhost:{MCP_PORT}/mcp/"},
        {"type": "http", "url": f"http://[::1]:{MCP_PORT}/mcp"},
        starts("--mcp-config", "FILE"),
        starts("--mcp-config=FILE", program=("python", "-m", "vmcp_proxy")),
        starts("--mcp-config", "FILE", program=("uvx", "--from", "vmcp-gateway[cli]", "vmcp")),
    ],
    ids=str,
)
def test_an_entry_that_leads_back_to_this_endpoint_is_named_and_not_served(tmp_path, entry):
    file = tmp_path / "mcp.json"
    names, said = served(file, json.loads(json.dumps(entry).replace("FILE", str(file))))
    assert names == ["works"]
    assert len(said) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"url": f"http://127.0.0.1:{MCP_PORT + 1}/mcp"},
        {"url": "http://127.0.0.1/mcp"},
        {"url": f"http://example.com:{MCP_PORT}/mcp"},
        starts("--mcp-config", "OTHER"),
        starts("-f", "missing.yaml"),
        {"command": "other", "args": ["serve", "FILE"]},
    ],
    ids=str,
)
def test_another_endpoint_is_served(tmp_path, entry):
    file, other = tmp_path / "mcp.json", tmp_path / "other.json"
    other.write_text("{}")
    text = json.dumps(entry).replace("FILE", str(file)).replace("OTHER", str(other))
    names, said = served(file, json.loads(text))
    assert names == ["vmcp", "works"]
    assert said == []


def test_a_relative_path_is_seen_from_the_folder_of_the_entry(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    entry = {**starts("--mcp-config", "mcp.json"), "cwd": str(tmp_path)}
    assert served(Path("mcp.json"), entry)[0] == ["works"]
