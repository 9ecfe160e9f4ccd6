"""The aggregate behind the endpoint: catalog, conflict resolution, admission, routing."""
