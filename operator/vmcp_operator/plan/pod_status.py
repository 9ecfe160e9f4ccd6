"""What a pod says of itself, cut to what the status of a resource takes."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from vmcp_api.pod_status import BackendReport, ConflictReport, PodStatus, UnmatchedReport, decode

_TEXT_LIMIT: Final = 1024
_LIST_LIMIT: Final = 256
_MOST: Final = (1 << 31) - 1
_NAME_LIMIT: Final = 63
_LIMITS: Final[Mapping[type, Mapping[str, int]]] = {
    BackendReport: {"transport": 32, "reason": 63, "circuit": 16, "revision": 32},
    ConflictReport: {"kind": 32, "winner": _NAME_LIMIT, "losers": _NAME_LIMIT},
    UnmatchedReport: {"backend": _NAME_LIMIT, "setting": 32},
}
"""Characters that the schema of a status takes: a status with a longer one would be refused as a whole."""

PartT = TypeVar("PartT")


def read_status(body: bytes) -> PodStatus | None:
    """The status of a pod, or None where the body is none; a pod is not trusted to keep to the form."""
    status = decode(body, most=_LIST_LIMIT)
    return None if status is None else _cut(status)


def _cut(part: PartT) -> PartT:
    """A part of a status with all that is in it cut."""
    limits = _LIMITS.get(type(part), {})
    members: Any = part
    cut = {
        each.name: _bounded(getattr(part, each.name), limits.get(each.name, _TEXT_LIMIT)) for each in fields(members)
    }
    bounded: PartT = replace(members, **cut)
    return bounded


def _bounded(value: object, characters: int) -> object:
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, int):
        return min(value, _MOST)
    if isinstance(value, tuple):
        return tuple(_bounded(each, characters) for each in value)
    return _cut(value) if is_dataclass(value) else value
