"""What two endpoints serve differently: pure, of lists as they came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from vmcp_api.base import Json


class Change(StrEnum):
    """How an entry of the old endpoint stands at the new one."""

    MISSING = "missing"
    ADDED = "added"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry that is not the same at both; `members` are those of it that differ."""

    kind: str
    name: str
    change: Change
    members: tuple[str, ...] = ()

    def describe(self) -> dict[str, Json]:
        """The difference for programs."""
        return {"kind": self.kind, "name": self.name, "change": self.change.value, "members": list(self.members)}


Entries = Mapping[str, Sequence[Json]]
"""Lists by the kind of their entries."""

NAMES: Final = MappingProxyType(
    {"tool": "name", "resource": "uri", "resource template": "uriTemplate", "prompt": "name"}
)
"""The member that names an entry, by kind."""

_COMPARED: Final = MappingProxyType(
    {
        "tool": ("title", "description", "inputSchema", "outputSchema", "annotations"),
        "resource": ("name", "title", "description", "mimeType", "annotations"),
        "resource template": ("name", "title", "description", "mimeType", "annotations"),
        "prompt": ("title", "description", "arguments"),
    }
)
_UNORDERED: Final = frozenset({"required", "enum", "type"})
"""Words of JSON Schema whose lists mean the same in any order."""


def find_differences(old: Entries, new: Entries) -> Iterator[Difference]:
    """Every difference, by kind and name."""
    for kind in NAMES:
        before, after = _by_name(kind, old.get(kind, ())), _by_name(kind, new.get(kind, ()))
        for name in sorted({*before, *after}):
            if name not in after:
                yield Difference(kind, name, Change.MISSING)
            elif name not in before:
                yield Difference(kind, name, Change.ADDED)
            elif members := tuple(_differing(kind, before[name], after[name])):
                yield Difference(kind, name, Change.CHANGED, members)


def _by_name(kind: str, entries: Sequence[Json]) -> dict[str, Mapping[str, Json]]:
    key = NAMES[kind]
    return {str(each[key]): each for each in entries if isinstance(each, dict) and isinstance(each.get(key), str)}


def _differing(kind: str, one: Mapping[str, Json], other: Mapping[str, Json]) -> Iterator[str]:
    for member in _COMPARED[kind]:
        if _form(one.get(member)) != _form(other.get(member)):
            yield member


def _form(value: Json, key: str = "") -> object:
    """A value in a form in which two that mean the same are equal: nothing, null and what is empty are."""
    if isinstance(value, dict):
        told = {name: _form(each, name) for name, each in value.items()}
        return {name: each for name, each in told.items() if each is not None} or None
    if isinstance(value, list):
        forms = [_form(each) for each in value]
        return (sorted(forms, key=repr) if key in _UNORDERED else forms) or None
    # True is 1 to Python, and a number is the same however it is written.
    return (type(value) is bool, value) if value not in (None, "") or isinstance(value, bool) else None
