"""Token buckets, in this process or in Redis (ADR-0045)."""
