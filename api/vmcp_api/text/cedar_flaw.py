"""What is wrong with Cedar that people wrote."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CedarFlaw:
    """Why a text is of no use; `line` counts from 1, 0 where it is about the whole text."""

    message: str
    remedy: str
    line: int = 0

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.message}"
