"""The codes of JSON-RPC errors: those of JSON-RPC 2.0 section 5.1, of MCP, and ours.

Whoever speaks to a peer chooses one. The core does not: it says what happened (`vmcp_proxy.core.outcomes`), and each
era has a table of its own for that.
"""

from typing import Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
REQUEST_CANCELLED: Final = -32800

RESOURCE_NOT_FOUND: Final = -32002
"""MCP up to 2025-11-25, "Resources"."""

URL_ELICITATION_REQUIRED: Final = -32042
"""MCP 2025-11-25, "Elicitation": the call waits for something that the user does elsewhere."""

HEADER_MISMATCH: Final = -32020
MISSING_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022
"""MCP since 2026-07-28: a header that contradicts the body, a capability that the client has not, a revision."""

SERVER_ERROR: Final = -32000
"""Refusals that have no code of their own."""

SESSION_NOT_FOUND: Final = -32001
FORBIDDEN: Final = 403
TOO_MANY_REQUESTS: Final = 429
