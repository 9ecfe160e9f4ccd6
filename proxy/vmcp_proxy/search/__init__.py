"""Tool search: callers find the tools that they may see by words instead of by reading a list (ADR-0065)."""
