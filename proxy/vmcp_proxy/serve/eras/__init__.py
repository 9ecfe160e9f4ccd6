"""What the endpoints of both eras have in common, and the choice between them."""
