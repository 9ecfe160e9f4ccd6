"""Resource models, the config contract, and the pure rendering from one to the other."""
