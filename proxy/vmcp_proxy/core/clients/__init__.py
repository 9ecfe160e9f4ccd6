"""What this process holds for one client, and how that client is spoken to."""
