"""The endpoint of the session era: MCP 2024-11-05 to 2025-11-25."""
