"""The HTTP middleware, one module for each layer, and the chain in its order."""
