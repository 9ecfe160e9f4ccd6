"""The proxy: one MCP endpoint in front of many backends."""
