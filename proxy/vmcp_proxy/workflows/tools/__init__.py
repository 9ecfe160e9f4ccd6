"""Composite tools as tools of the server: what clients see of them, and their calls on the way to the engine."""
