"""Audit, metrics and logs."""
