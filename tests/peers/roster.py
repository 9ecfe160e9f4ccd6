"""Who takes part, and in which eras."""

from dataclasses import dataclass
from typing import Final

LEGACY: Final = "legacy"
MODERN: Final = "modern"
AUTO: Final = "auto"
"""The client finds out by itself which era the server speaks."""

STEPS: Final = ("connect", "list", "call", "error", "progress", "read", "prompt", "ask", "change")
"""What a client does: `ask` is a tool that asks it for input, `change` is to hear of another list of tools."""
STEADY: Final = STEPS[:-1]
"""With servers whose lists do not change, or are the same again at once."""
SHORT: Final = ("list", "call", "error", "read", "prompt")
"""What the Inspector's command line does: one connection for each."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A client or a server: `runtime` says what runs it, `program` is the file or the package."""

    title: str
    runtime: str
    program: str
    eras: tuple[str, ...]
    steps: tuple[str, ...] = STEPS


CLIENTS: Final = (
    Peer("TypeScript SDK 2.4", "node", "v2_client.mjs", (LEGACY, MODERN, AUTO)),
    Peer("TypeScript SDK 1.32", "node", "v1_client.mjs", (LEGACY,)),
    Peer("Python SDK 2.3", "own", "v2_client.py", (LEGACY, MODERN, AUTO)),
    Peer("Python SDK 1.30", "mcp-1.30", "v1_client.py", (LEGACY,)),
    Peer("Python SDK 1.9", "mcp-1.9", "v1_client.py", (LEGACY,)),
    Peer("FastMCP 4.2", "fastmcp-4", "fastmcp_client.py", (LEGACY, MODERN, AUTO)),
    Peer("Go SDK 1.8", "go", "client", (LEGACY, MODERN, AUTO)),
    Peer("Inspector 2.12, command line", "inspector", "", (LEGACY, MODERN), SHORT),
)
SERVERS: Final = (
    Peer("TypeScript SDK 2.4", "node", "v2_server.mjs", (LEGACY, MODERN)),
    Peer("TypeScript SDK 1.32", "node", "v1_server.mjs", (LEGACY,)),
    Peer("Python SDK 2.3", "fixture", "both", (LEGACY, MODERN)),
    Peer("Python SDK 1.30", "mcp-1.30", "v1_server.py", (LEGACY,)),
    Peer("FastMCP 4.2", "fastmcp-4", "fastmcp_server.py", (LEGACY, MODERN), STEADY),
    Peer("Go SDK 1.8, with sessions", "go", "server -stateless=false", (LEGACY,), STEADY),
    Peer("Go SDK 1.8, stateless", "go", "server", (LEGACY, MODERN), STEADY),
)
