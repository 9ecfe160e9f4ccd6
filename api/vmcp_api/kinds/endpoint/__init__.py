"""What of a VirtualMCPServer has models of its own beside those that the proxy reads."""
