"""Composite tools: a declared graph of steps that one call runs over the tools of several backends (ADR-0051)."""
