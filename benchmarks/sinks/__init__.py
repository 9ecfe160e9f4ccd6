"""Chaos of audit sinks: what they do to calls, and whether every line is accounted for (ADR-0046)."""
