"""Behaviour of the pure parts of the core."""
