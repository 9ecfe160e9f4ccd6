"""How well a search for tools finds what is asked for, on a test collection of our own."""
