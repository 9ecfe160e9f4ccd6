"""What is wrong with an input, where, and what to do about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from vmcp_api.text.texts import printable

Loc: TypeAlias = tuple[str | int, ...]
"""A place within a document: keys and list positions from the root."""


class Severity(StrEnum):
    """Whether the input can be used in spite of a problem."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in words for a person.

    ``subject`` is ``Kind/name``. ``value`` is a short form of what was written, and ``None`` wherever a
    secret could stand. ``file`` and ``line`` say where the input came from, if it came from a file. ``is_missing`` says
    that it is only that an object does not exist, which may be on its way.
    """

    message: str
    remedy: str = ""
    loc: Loc = ()
    subject: str = ""
    value: str | None = None
    severity: Severity = Severity.ERROR
    file: str | None = None
    line: int | None = None
    is_missing: bool = False

    @property
    def path(self) -> str:
        """The place in the form ``spec.config.aggregation.tools[0].workload``."""
        return format_path(self.loc)

    @property
    def is_error(self) -> bool:
        """Whether the input cannot be used."""
        return self.severity is Severity.ERROR

    def about(self, subject: str) -> "Problem":
        """The same, as a problem of ``Kind/name``."""
        return replace(self, subject=subject)

    def __str__(self) -> str:
        # Names, kinds and keys of a file stand in here, and this line goes to somebody's terminal.
        place = self.file or ""
        if place and self.line is not None:
            place = f"{place}:{self.line}"
        severity = "" if self.is_error else "warning"
        said = self.message if self.value is None else f"{self.message} (found {self.value})"
        parts = (place, severity, self.subject, self.path, said)
        text = ": ".join(part for part in parts if part)
        return printable(f"{text}; {self.remedy}" if self.remedy else text)


@dataclass(frozen=True, slots=True)
class Problems:
    """Problems in the order in which they were found; empty is falsy."""

    items: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, *problems: Problem) -> "Problems":
        """The given problems."""
        return cls(problems)

    @classmethod
    def join(cls, parts: Iterable["Problems"]) -> "Problems":
        """All problems of several, in order."""
        return cls(tuple(problem for part in parts for problem in part))

    @property
    def errors(self) -> "Problems":
        """Those that keep the input from being used."""
        return Problems(tuple(problem for problem in self.items if problem.is_error))

    @property
    def may_come(self) -> bool:
        """Whether it is only that objects do not exist, which may be on their way."""
        return bool(self.items) and all(problem.is_missing for problem in self.items)

    @property
    def warnings(self) -> "Problems":
        """Those that do not."""
        return Problems(tuple(problem for problem in self.items if not problem.is_error))

    def about(self, subject: str) -> "Problems":
        """The same, as problems of ``Kind/name``."""
        return Problems(tuple(replace(problem, subject=subject) for problem in self.items))

    def in_file(self, file: str) -> "Problems":
        """The same, as problems of a file."""
        return Problems(tuple(replace(problem, file=file) for problem in self.items))

    def as_warnings(self) -> "Problems":
        """The same, none of which keeps the input from being used."""
        return Problems(tuple(replace(problem, severity=Severity.WARNING) for problem in self.items))

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __add__(self, other: "Problems") -> "Problems":
        return Problems(self.items + other.items)

    def __str__(self) -> str:
        return "\n".join(map(str, self.items))


def format_path(loc: Loc) -> str:
    """A place as text; keys that are no plain word stand in brackets and quotes."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.replace("_", "").isalnum() and step.isascii():
            path += f".{step}" if path else step
        else:
            path += f"[{shorten(step)!r}]"
    return path


def shorten(text: str, limit: int = 60) -> str:
    """The text, cut so that a message stays on a line."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
