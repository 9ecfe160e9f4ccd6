"""Connections to Redis, and why they fail."""
