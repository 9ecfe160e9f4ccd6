"""What of a config does not fit the machine that serves it."""
