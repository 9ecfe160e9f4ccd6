"""Many endpoints on a real API server, with pods that are only said to run: how the operator fares with a fleet."""
