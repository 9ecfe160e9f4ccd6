"""Clients without a session (ADR-0059)."""
