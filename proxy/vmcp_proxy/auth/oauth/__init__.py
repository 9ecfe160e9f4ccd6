"""What both directions of authentication need of OAuth: its endpoints over HTTP, and one request for many callers."""
