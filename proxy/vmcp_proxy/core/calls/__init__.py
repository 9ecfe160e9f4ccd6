"""The innermost layer of the core: from a call to its backend, and back."""
