"""What is wrong with a template; texts name what its author wrote and types, never values."""

from typing import Final


class TemplateError(Exception):
    """A template cannot be read or evaluated; `position` counts characters of its text, None where none is to blame."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} (at character {position + 1})")
        self.reason: Final = reason
        self.position: Final = position


class TemplateKeyError(TemplateError):
    """A template reads what is not there."""
