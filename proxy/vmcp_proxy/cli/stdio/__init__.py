"""What `vmcp serve --stdio` does otherwise than serving on a port."""
