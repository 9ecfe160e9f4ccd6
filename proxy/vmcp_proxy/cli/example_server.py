"""A small MCP server over standard streams, so that `vmcp init` has something to serve: no package needed."""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    # For the types alone: what it brings with it would make the start of this program ten times as long.
    from vmcp_api.base import Json

REVISION: Final = "2025-06-18"
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602

TOOLS: "Final[tuple[dict[str, Json], ...]]" = (
    {
        "name": "echo",
        "description": "Say the text back.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "add",
        "description": "Add two numbers.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
        "annotations": {"readOnlyHint": True},
    },
)


def answer(message: Mapping[str, Any]) -> "dict[str, Json] | None":
    """The response to a message; None where none is due."""
    if "id" not in message or "method" not in message:
        return None
    params = message.get("params") or {}
    reply: dict[str, Json] = {"jsonrpc": "2.0", "id": message["id"]}
    match message["method"]:
        case "initialize":
            info = {"name": "vmcp-example", "version": "1"}
            return reply | {"result": {"protocolVersion": REVISION, "capabilities": {"tools": {}}, "serverInfo": info}}
        case "ping":
            return reply | {"result": {}}
        case "tools/list":
            return reply | {"result": {"tools": list(TOOLS)}}
        case "tools/call":
            return reply | call(str(params.get("name")), params.get("arguments") or {})
        case method:
            return reply | {"error": {"code": METHOD_NOT_FOUND, "message": f"no method {method}"}}


def call(name: str, arguments: "Mapping[str, Json]") -> "dict[str, Json]":
    """The result of a tool, or the error."""
    match name, arguments:
        case "echo", {"text": str(text)}:
            return _text(text)
        case "add", {"a": int() | float() as a, "b": int() | float() as b}:
            return _text(f"{a + b:g}")
        case (("echo" | "add"), _):
            return _text("the arguments do not fit the schema", is_error=True)
        case _:
            return {"error": {"code": INVALID_PARAMS, "message": f"no tool {name}"}}


def _text(text: str, *, is_error: bool = False) -> "dict[str, Json]":
    return {"result": {"content": [{"type": "text", "text": text}], "isError": is_error}}


def main() -> None:
    """Answers line by line until the input ends."""
    for line in sys.stdin:
        response = answer(json.loads(line))
        if response is not None:
            sys.stdout.write(json.dumps(response) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
