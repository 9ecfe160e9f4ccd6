"""The keys of this process, from which others are derived."""
