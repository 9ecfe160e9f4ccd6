"""Callers who are known by an access token (OpenID Connect, RFC 6750; ADR-0039)."""
