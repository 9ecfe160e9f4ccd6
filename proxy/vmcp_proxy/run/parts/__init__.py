"""The rooms of one proxy, each built from its settings."""
