"""How backends are authenticated to, on behalf of this endpoint or of the caller (ADR-0040)."""
