"""What is wrong with a template; texts name what its author wrote and types, never values."""

from typing import Final, Self


class TemplateError(Exception):
    """A template cannot be read or evaluated; `position` counts characters of its text, None where none is to blame."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} (at character {position + 1})")
        self.reason: Final = reason
        self.position: Final = position

    def within(self, place: str) -> Self:
        """The same, told of a template that stands there."""
        return type(self)(f"{place}: {self.reason}", self.position)


class TemplateKeyError(TemplateError):
    """A template reads what is not there; `path` are the keys from the root, empty where it is read in another way."""

    def __init__(self, reason: str, position: int | None = None, path: tuple[str, ...] = ()) -> None:
        super().__init__(reason, position)
        self.path: Final = path

    def within(self, place: str) -> Self:
        """See `TemplateError.within`."""
        return type(self)(f"{place}: {self.reason}", self.position, self.path)
