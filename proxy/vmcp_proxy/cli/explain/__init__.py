"""`vmcp explain`: why a caller may or may not use a name."""
