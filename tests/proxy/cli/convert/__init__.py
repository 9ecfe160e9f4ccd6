"""`vmcp convert`."""
