"""MCP servers over standard streams that write down which processes they are."""

import json
import sys
from pathlib import Path
from typing import Any

_SOURCE = """
import json, os, sys, time

noted = sys.argv[1]
behaves = sys.argv[2]
for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if number is None:
        continue
    result = {}
    if method == "initialize":
        with open(noted, "a") as file:
            print(os.getpid(), json.dumps(params["capabilities"]), file=file)
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "resources": {"subscribe": True}},
                  "serverInfo": {"name": "p", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "who", "inputSchema": {"type": "object"}}]}
    elif method == "resources/list":
        result = {"resources": [{"uri": "test://a", "name": "a"}]}
    elif method == "resources/templates/list":
        result = {"resourceTemplates": []}
    elif method == "tools/call":
        result = {"content": [{"type": "text", "text": str(os.getpid())}]}
    print(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}), flush=True)
    if method == "tools/call" and behaves == "deaf":
        import subprocess
        child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with open(noted, "a") as file:
            print(child.pid, '"child"', file=file)
        time.sleep(1000)
"""


class Noted:
    """One such server, and the processes of it that there have been; a deaf one ceases to read its input at a call."""

    def __init__(self, folder: Path, *, behaves: str = "well") -> None:
        self._file = folder / "noted"
        self._source = folder / "program.py"
        self._source.write_text(_SOURCE)
        self.command = [sys.executable, str(self._source), str(self._file), behaves]

    def config(self, name: str = "one") -> dict[str, Any]:
        """The config of a backend that is this program."""
        return {"name": name, "kind": "MCPServer", "transport": "stdio", "command": self.command}

    def processes(self, declared: object = None) -> list[int]:
        """The processes so far; those that heard these capabilities, or all."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        pairs = [line.split(" ", 1) for line in lines]
        return [int(pid) for pid, said in pairs if declared is None or json.loads(said) == declared]

    def alive(self, declared: object = None) -> list[int]:
        """Those of them that run still."""
        return [pid for pid in self.processes(declared) if is_running(pid)]


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"
