"""MCP and JSON-RPC without I/O."""
