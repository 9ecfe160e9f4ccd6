"""The server below ASGI: connections, HTTP/1.1, and what peers may cost (ADR-0028)."""
