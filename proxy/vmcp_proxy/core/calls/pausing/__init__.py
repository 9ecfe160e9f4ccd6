"""Calls that pause for their client (ADR-0061)."""
