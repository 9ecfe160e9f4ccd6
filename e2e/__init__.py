"""End-to-end tests: a real cluster, real images, real clients."""
