"""Traces: what comes in and goes out with a request, which are sampled, and how spans leave the process (ADR-0047)."""
