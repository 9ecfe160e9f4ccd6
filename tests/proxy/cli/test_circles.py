"""Servers of an editor's file that start `vmcp` on one another come to an end."""

import json
import sys

from tests.proxy.cli.commands import run_vmcp
from vmcp_proxy.cli.exits import Exit


def entry(file, *, shell=False):
    words = [sys.executable, "-m", "vmcp_proxy", "serve", "--stdio", "--mcp-config", str(file)]
    return {"command": "sh", "args": ["-c", " ".join(words)]} if shell else {"command": words[0], "args": words[1:]}


def test_files_that_start_each_other_are_served_once_each_and_the_log_says_why(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps({"mcpServers": {"b": entry(second)}}))
    second.write_text(json.dumps({"mcpServers": {"a": entry(first, shell=True)}}))
    done = run_vmcp("tools", "--mcp-config", str(first))
    assert done.code == Exit.OK, done.err
    again = run_vmcp("tools", "--mcp-config", str(second))
    assert again.code == Exit.OK, again.err


def test_a_file_that_is_served_above_is_refused_with_the_reason(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    file.write_text('{"mcpServers": {}}')
    monkeypatch.setenv("VMCP_SERVED", f"1 {file.resolve()}")
    done = run_vmcp("serve", "--stdio", "--mcp-config", str(file))
    assert done.code == Exit.INVALID
    assert "is served already by the vmcp that has started this one; take out the entry" in done.err
