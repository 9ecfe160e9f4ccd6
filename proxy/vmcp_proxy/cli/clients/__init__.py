"""`vmcp clients`: the entry that each MCP client needs, and where it belongs."""
