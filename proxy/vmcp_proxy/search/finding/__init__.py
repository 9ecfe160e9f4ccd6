"""Searches: indexes of what callers see, and the answers made of them."""
