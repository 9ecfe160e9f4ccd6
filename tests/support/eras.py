"""Requests of either era: what tests of the layers that both go through are run in."""

from typing import Any

from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.modern.header_values import encode_header_value

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CLIENT = "io.modelcontextprotocol/clientInfo"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
SERVER = "io.modelcontextprotocol/serverInfo"
MODERN = "2026-07-28"

current = Era.LEGACY
"""The era of clients that a test does not give one; the fixture `era` sets it."""


def modern(message: dict[str, Any], capabilities: dict[str, Any] | None = None, level: str | None = None) -> dict:
    """The same request with the envelope of the modern era."""
    params = message.get("params") or {}
    meta = {VERSION: MODERN, CAPABILITIES: capabilities or {}, CLIENT: {"name": "t", "version": "1"}}
    if level is not None:
        meta[LOG_LEVEL] = level
    return {**message, "params": {**params, "_meta": {**meta, **(params.get("_meta") or {})}}}


def headers_of(message: dict[str, Any]) -> dict[str, str]:
    """What the headers of a modern request repeat of it."""
    fields = {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
    member = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}.get(message["method"])
    name = None if member is None else (message.get("params") or {}).get(member)
    if isinstance(name, str):
        fields["mcp-name"] = encode_header_value(name).decode("ascii")
    return fields
