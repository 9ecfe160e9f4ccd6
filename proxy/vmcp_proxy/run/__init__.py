"""The life of one proxy: its settings, its parts, its reloads, its status."""
