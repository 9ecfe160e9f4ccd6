"""Leader election: which one of several operators writes (ADR-0055)."""
