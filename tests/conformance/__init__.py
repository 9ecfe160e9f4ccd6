"""The official MCP conformance suite, run against the proxy (`make conformance`)."""
