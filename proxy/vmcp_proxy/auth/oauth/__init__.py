"""What both directions of authentication need of OAuth: its endpoints over HTTP, clients' logins, one request for many."""
