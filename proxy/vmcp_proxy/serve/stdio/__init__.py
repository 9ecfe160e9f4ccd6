"""The front for one client on standard input and output (ADR-0034)."""
