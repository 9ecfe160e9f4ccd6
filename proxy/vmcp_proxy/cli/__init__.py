"""The vmcp command."""
