"""What a backend's refusals mean, and what may be shown of them (ADR-0029)."""
