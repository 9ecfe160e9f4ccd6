"""Clients of MCP backends."""
