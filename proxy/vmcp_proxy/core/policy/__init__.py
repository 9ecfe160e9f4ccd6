"""Layers of the core that can only subtract."""
