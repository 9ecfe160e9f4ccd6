"""Commands that ask an endpoint, or a group that they start themselves and that ends with them."""
