"""What a model hears after a call that was wrong."""
