"""The messages of the era without sessions (MCP 2026-07-28): envelope, headers, questions."""
