"""Groups, and servers of another operator that are in one: by its list, or by their own binding (ADR-0069)."""
