"""The answer to a search: full descriptors, as many as there is room for, and what else was found by name; pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.outcomes import Result
from vmcp_proxy.protocol.surrogates import decode_members, encode_members
from vmcp_proxy.search.lists.listing import Served, tokens_of

MOST_BYTES: Final = 64 << 10
"""Bytes of descriptors in one answer, which has them as text and as structured content."""

_MOST_BACKENDS: Final = 200
_LEFT_OUT: Final = frozenset({"_meta", "icons"})
"""What hosts read in lists and no model does: an icon may be the picture itself."""

_NOTHING: Final = "No tool has anything in common with the query. Search in other words, or for a part of the task."
_WEAK: Final = "These tools have little in common with the query. Search in other words before you use one."
_TOO_LONG: Final = "Descriptors of {names} are too long for this answer: search for less, or call them by their names."

_encode: Final = msgspec.json.encode


class Found(msgspec.Struct, frozen=True, gc=False):
    """One tool that a search has found; ranks begin at 1."""

    tool: Capability
    rank: int
    score: float
    is_weak: bool

    @property
    def head(self) -> dict[str, Any]:
        """What the answer says of it besides its descriptor."""
        said: dict[str, Any] = {"name": self.tool.exposed}
        if self.tool.backend:
            said["backend"] = self.tool.backend
        said |= {"rank": self.rank, "score": round(self.score, 4)}
        return said | {"weak": True} if self.is_weak else said


def write_answer(found: Sequence[Found], served: Served, searched: int) -> Result:
    """The result of the call of `find_tool`; `searched` is among how many tools."""
    entries, more = _fitting(found)
    told = [each.tool for each in found if each not in more]
    members: dict[str, Any] = {
        "tools": [msgspec.Raw(entry) for entry in entries],
        "backends": list(served.backends[:_MOST_BACKENDS]),
        "searched": searched,
        "tokens_saved": max(0, served.tokens - served.listed_tokens - tokens_of(tuple(told))),
    }
    if more:
        members["more"] = [each.head for each in more]
    if note := _note(found, more):
        members["note"] = note
    structured = _encode(members)
    text = _encode(structured.decode())
    return Result(b'{"content":[{"type":"text","text":%b}],"structuredContent":%b}' % (text, structured))


def _fitting(found: Sequence[Found]) -> tuple[list[bytes], list[Found]]:
    """The entries that there is room for, in their order, and what has no entry.

    Each tool has the same share of the answer, whatever the others take; the best of those that need more have what
    is left.
    """
    # What does not fit is not even taken apart.
    entries = {each.rank: _entry(each) for each in found if len(each.tool.raw) <= MOST_BYTES}
    share = MOST_BYTES // max(len(found), 1)
    left = MOST_BYTES
    for rank in sorted(entries, key=lambda rank: (len(entries[rank]) > share, rank)):
        if len(entries[rank]) <= left:
            left -= len(entries[rank])
        else:
            del entries[rank]
    return [entries[rank] for rank in sorted(entries)], [each for each in found if each.rank not in entries]


def _entry(found: Found) -> bytes:
    """The descriptor, with what the search says in front of it; nothing of a backend's can stand in its place."""
    head = {name: msgspec.Raw(_encode(value)) for name, value in found.head.items()}
    taken = _LEFT_OUT.union(("name", "backend", "rank", "score", "weak"))
    described = decode_members(found.tool.raw)
    return encode_members({**head, **{name: raw for name, raw in described.items() if name not in taken}})


def _note(found: Sequence[Found], more: Iterable[Found]) -> str:
    if not found:
        return _NOTHING
    said = [_WEAK] if all(each.is_weak for each in found) else []
    if named := ", ".join(each.tool.exposed for each in more):
        said.append(_TOO_LONG.format(names=named))
    return " ".join(said)
