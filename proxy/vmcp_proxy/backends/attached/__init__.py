"""A backend that is the process of a container, spoken to by an attachment to its pod (ADR-0058)."""
