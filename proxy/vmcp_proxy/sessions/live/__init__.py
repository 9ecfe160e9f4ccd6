"""Sessions that this process has in memory."""
