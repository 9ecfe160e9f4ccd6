"""What keeps sessions alive, and ends them."""
