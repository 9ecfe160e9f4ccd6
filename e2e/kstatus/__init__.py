"""The status libraries of others, built from their Go modules."""
