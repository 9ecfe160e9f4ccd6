"""What this process holds for a client with a session, and how that client is spoken to."""
