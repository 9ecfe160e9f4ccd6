"""The operator: turns VirtualMCPServer resources into running proxies."""
