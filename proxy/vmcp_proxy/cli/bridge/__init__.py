"""`vmcp bridge`: a stdio server in a pod as an endpoint of Streamable HTTP (ADR-0058)."""
