"""Shows that this machine can run the end-to-end tests: cluster, images, one call through all of it."""
