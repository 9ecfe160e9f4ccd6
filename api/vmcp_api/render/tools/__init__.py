"""Which tools of the members clients see, and how: what resources say in several places, made one (ADR-0054)."""
