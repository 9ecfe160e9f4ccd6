"""`vmcp serve`: the command line, where the config comes from, and what is shown while it serves."""
