"""How a request tells who sends it."""
