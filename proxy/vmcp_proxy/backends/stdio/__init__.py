"""Backends that are programs on this machine (MCP, "stdio")."""
