"""What the server files of editors have in common, and where they differ."""
