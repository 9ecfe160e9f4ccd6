"""What an MCPServer becomes."""
