"""A stdio backend of the soak: says back what it heard, and leaves its process id in the file it is told.

Arguments: the file. Imports little, for it is started again and again.
"""

import json
import os
import sys
from pathlib import Path

RESULTS: dict[str, object] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "soak-stdio", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]},
    "ping": {},
}


def main() -> None:
    """Answers line by line until stdin ends."""
    Path(sys.argv[1]).write_text(str(os.getpid()))
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        answer: dict[str, object] = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "tools/call":
            # No headers reach a program: it says so by an empty text.
            text = json.dumps([message["params"]["arguments"]["text"], ""])
            answer["result"] = {"content": [{"type": "text", "text": text}], "isError": False}
        elif message["method"] in RESULTS:
            answer["result"] = RESULTS[message["method"]]
        else:
            answer["error"] = {"code": -32601, "message": "Method not found"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
