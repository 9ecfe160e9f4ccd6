"""Backends that speak the first HTTP transport (MCP 2024-11-05, "HTTP with SSE")."""
