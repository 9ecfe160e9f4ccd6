"""Says why a caller may or may not use a name, by the very decisions that lists and calls follow (ADR-0042)."""
