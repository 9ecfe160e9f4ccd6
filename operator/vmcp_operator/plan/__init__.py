"""Decides, without I/O, what becomes of one resource: a `Controller` per kind says what it reads, plans and tells."""
