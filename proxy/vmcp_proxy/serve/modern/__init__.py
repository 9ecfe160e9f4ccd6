"""The endpoint of the era without sessions, MCP 2026-07-28 (ADR-0059)."""
