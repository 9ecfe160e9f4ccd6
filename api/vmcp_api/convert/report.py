"""What became of the values of manifests."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, Problems, format_path


class Fate(StrEnum):
    """What became of a value."""

    KEPT = "kept"
    CHANGED = "changed"
    """What it asks for is had in another way, or without it."""
    LOST = "lost"
    """What it asks for is not there."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the input, and what became of it.

    `path` is None for what was added, `to` where nothing is left of it. The words hold no value.
    """

    fate: Fate
    path: Loc | None
    to: Loc | None = None
    why: str = ""
    remedy: str = ""
    line: int | None = None

    def describe(self) -> dict[str, Json]:
        """The field for programs."""
        return {
            "fate": self.fate.value,
            "path": None if self.path is None else format_path(self.path),
            "to": None if self.to is None else format_path(self.to),
            "why": self.why,
            "remedy": self.remedy,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True)
class Converted:
    """One object of the input: what came of it, and its values; `results` is empty where it is left out."""

    file: str
    line: int
    subject: str
    results: tuple[Mapping[str, Json], ...] = field(repr=False)
    fields: tuple[Field, ...]

    def describe(self) -> dict[str, Json]:
        """The object for programs."""
        return {
            "file": self.file,
            "line": self.line,
            "subject": self.subject,
            "results": [subject_of(each) for each in self.results],
            "fields": [each.describe() for each in self.fields],
        }


@dataclass(frozen=True, slots=True)
class Conversion:
    """All objects of some files, and what of the files could not be read."""

    objects: tuple[Converted, ...]
    problems: Problems

    @property
    def results(self) -> tuple[Mapping[str, Json], ...]:
        """The manifests that came of it, in order."""
        return tuple(result for each in self.objects for result in each.results)

    def count(self) -> Mapping[Fate, int]:
        """How many values met each fate."""
        counted = Counter(each.fate for one in self.objects for each in one.fields)
        return {fate: counted[fate] for fate in Fate}

    @property
    def loses(self) -> bool:
        """Whether something that was asked for is not there."""
        return any(each.fate is Fate.LOST for one in self.objects for each in one.fields)

    def describe(self) -> dict[str, Json]:
        """The conversion for programs."""
        return {
            "counts": {fate.value: number for fate, number in self.count().items()},
            "objects": [each.describe() for each in self.objects],
            "problems": [str(each) for each in self.problems],
        }


def fold(converted: Converted) -> tuple[Field, ...]:
    """The fields that are not as they were, those of one fate for one reason as one at the place that holds them all.

    Two places far from one another stay two, unless nothing is left of the object.
    """
    groups: dict[tuple[Fate, str, str, Loc], list[Field]] = {}
    for each in converted.fields:
        if each.fate is not Fate.KEPT:
            place = each.path if each.path is not None else each.to or ()
            branch = place[:_BRANCH] if converted.results else ()
            groups.setdefault((each.fate, each.why, each.remedy, branch), []).append(each)
    return tuple(_join(group) for group in groups.values())


_BRANCH = 2
"""Steps that two places share to be told as one: `spec` and the key below it."""


def _join(group: list[Field]) -> Field:
    first = group[0]
    path, to = _common([each.path for each in group]), _common([each.to for each in group])
    return Field(first.fate, path, to, first.why, first.remedy, first.line)


def _common(places: list[Loc | None]) -> Loc | None:
    known = [place for place in places if place is not None]
    return reduce(common_place, known) if known else None


def common_place(one: Loc, other: Loc) -> Loc:
    """The innermost place that holds both."""
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]


def subject_of(manifest: Mapping[str, Json]) -> str:
    """``Kind/name`` of a manifest, with question marks where it says none."""
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    words = (each if isinstance(each, str) else "?" for each in (manifest.get("kind"), name))
    return "/".join(words)
