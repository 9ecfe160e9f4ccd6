"""Servers of an editor's file that start `vmcp` on one another come to an end."""

import json

from tests.proxy.cli.commands import run_vmcp
from vmcp_proxy.cli.exits import Exit


def test_a_program_hears_which_file_is_served_above_it_also_behind_a_shell(tmp_path):
    file, heard = tmp_path / "a.json", tmp_path / "heard"
    words = f'printf %s "$VMCP_SERVED" > {heard}'
    file.write_text(json.dumps({"mcpServers": {"b": {"command": "sh", "args": ["-c", words]}}}))
    run_vmcp("tools", "--mcp-config", str(file))
    assert heard.read_text().partition(" ")[2] == str(file.resolve())


def test_a_file_that_is_served_above_is_refused_with_the_reason(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    file.write_text('{"mcpServers": {}}')
    monkeypatch.setenv("VMCP_SERVED", f"1 {file.resolve()}")
    done = run_vmcp("serve", "--stdio", "--mcp-config", str(file))
    assert done.code == Exit.INVALID
    assert "is served already by the vmcp that has started this one; take out the entry" in done.err
