"""What a VirtualMCPServer becomes, and its status."""
