"""Which tools fit a query, best first; pure, without a clock, a network or a lock (ADR-0066)."""
