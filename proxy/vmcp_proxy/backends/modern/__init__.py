"""Backends in the revision without sessions (MCP 2026-07-28)."""
