"""Streamable HTTP, legacy revisions (MCP 2025-03-26 to 2025-11-25, "Transports")."""

from vmcp_proxy.backends.streamable.backend import HttpBackend

__all__ = ["HttpBackend"]
