"""What pods tell each other about sessions that they share, sealed (ADR-0023)."""
