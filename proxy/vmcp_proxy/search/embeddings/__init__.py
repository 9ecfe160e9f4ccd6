"""A model elsewhere that ranks tools besides what ranks in the process; a condition of nothing (ADR-0066)."""
