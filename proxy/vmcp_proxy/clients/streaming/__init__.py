"""Streams towards clients, and what waits for them (ADR-0026)."""
