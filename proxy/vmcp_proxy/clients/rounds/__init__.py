"""Calls that pause: what a client without a session is asked, and how its answers find the call again (ADR-0061)."""
