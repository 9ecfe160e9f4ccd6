"""One page of a backend's list: its entries stay the bytes that they were, and a bad one goes alone."""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.capabilities import Descriptor
from vmcp_proxy.core.listings.entry_shape import Members, Misfit, fit_members, is_text
from vmcp_proxy.core.listings.entry_types import DECODE_ENTRY, ENTRY_SHAPES
from vmcp_proxy.protocol.kinds import WIRE, Kind
from vmcp_proxy.protocol.modern.cache_hints import CacheHints, read_hints
from vmcp_proxy.protocol.modern.param_headers import BadAnnotation, read_param_headers
from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members

_decode_text: Final = msgspec.json.Decoder(str).decode

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_SHALLOW: Final = 200
_ROOM: Final = 500
"""Levels of nesting that must be left below an entry: how deep a reader goes depends on how deep its caller stands."""

LABEL_LENGTH: Final = 64
"""Longest name that a report shows, in characters."""


@dataclass(frozen=True, slots=True)
class ListingLimits:
    """How much one backend may list.

    Pages and entries count per kind, bytes of results over all kinds; names are measured in characters, cursors
    in bytes of JSON. `reports` bounds the dropped entries that are named, per kind.
    """

    pages: int = 1_000
    items: int = 10_000
    bytes: int = 32 * 1024 * 1024
    name: int = 256
    uri: int = 4_096
    cursor: int = 16_384
    reports: int = 50


class BadEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry that is not relayed: a name to show for it and the reason."""

    label: str
    reason: str


class Page(msgspec.Struct, frozen=True, gc=False):
    """One page: its good entries, its bad ones, and where the next page starts.

    `next_cursor` is the backend's JSON text with its quotes, to be sent back as it is; None ends the list.
    `cut_off` says why the rest was not taken, where it was not. `hints` are those of a modern backend.
    """

    descriptors: tuple[Descriptor, ...]
    dropped: tuple[BadEntry, ...] = ()
    next_cursor: bytes | None = None
    cut_off: str = ""
    hints: CacheHints | None = None


class BadListing(msgspec.Struct, frozen=True, gc=False):
    """A result that is no page of this kind."""

    reason: str


def parse_page(
    kind: Kind, result_raw: bytes | msgspec.Raw, limits: ListingLimits, first: int = 1, *, is_modern: bool = False
) -> Page | BadListing:
    """Takes a list result apart without looking into its entries further than needed.

    An entry that does not have the members and types of MCP is dropped alone: clients refuse a whole list for one such
    entry. Optional members that are null are taken out of theirs.
    `first` is the position of the page's first entry in the whole list, counted from 1. A page of a modern backend may
    hold tools that nobody can call, for what they say of the headers of their arguments.
    """
    key = WIRE[kind].result_key
    try:
        members = decode_members(result_raw)
        items = decode_items(members[key])
    except KeyError:
        return BadListing(f"the result has no {key}")
    except _UNREADABLE:
        return BadListing(f"the result holds no list of {key}")
    descriptors: list[Descriptor] = []
    dropped: list[BadEntry] = []
    room = limits.items - first + 1
    for position, item in enumerate(items[:room], first):
        entry = parse_entry(kind, item, limits, position)
        if is_modern and kind is Kind.TOOL and isinstance(entry, Descriptor):
            entry = _callable(entry)
        if isinstance(entry, Descriptor):
            descriptors.append(entry)
        else:
            dropped.append(entry)
    cursor, flaw = _parse_cursor(members.get("nextCursor"), limits)
    if len(items) > room:
        cursor, flaw = None, f"more than {limits.items} {key}"
    return Page(tuple(descriptors), tuple(dropped), cursor, flaw, read_hints(members) if is_modern else None)


def parse_entry(kind: Kind, item: msgspec.Raw, limits: ListingLimits, position: int) -> Descriptor | BadEntry:
    """One entry, copied out of its page so that the page can be freed."""
    raw = bytes(item)
    anonymous = f"#{position}"
    if _is_too_deep(raw):
        return BadEntry(anonymous, "it is nested too deeply")
    try:
        if not raw.isascii():
            raw.decode()
        name = DECODE_ENTRY[kind](raw).key
    except _UNREADABLE:
        return _parse_odd_entry(kind, raw, limits, anonymous)
    reason = _name_flaw(kind, name, limits)
    return Descriptor(kind, name, raw) if reason is None else BadEntry(_label(name, anonymous), reason)


def _callable(tool: Descriptor) -> Descriptor | BadEntry:
    declared = read_param_headers(tool.raw)
    return BadEntry(_label(tool.name, ""), declared.reason) if isinstance(declared, BadAnnotation) else tool


def _is_too_deep(raw: bytes) -> bool:
    """Whether a reader that stands deeper than this one might give up."""
    if raw.count(b"{") + raw.count(b"[") <= _SHALLOW:
        return False
    try:
        decode_items(b"[" * _ROOM + raw + b"]" * _ROOM)
    except RecursionError:
        return True
    except _UNREADABLE:
        return False
    return False


def _parse_odd_entry(kind: Kind, raw: bytes, limits: ListingLimits, anonymous: str) -> Descriptor | BadEntry:
    """The same for one that holds null, a lone surrogate or what does not fit its type."""
    try:
        raw.decode()
        members = decode_members(raw)
    except _UNREADABLE:
        return BadEntry(anonymous, "it is not a JSON object in UTF-8")
    member = WIRE[kind].member
    try:
        name = _decode_text(members[member])
    except KeyError:
        return BadEntry(anonymous, f"it has no {member}")
    except _UNREADABLE:
        return BadEntry(anonymous, f"its {member} is no text")
    reason = _name_flaw(kind, name, limits)
    if reason is not None:
        return BadEntry(_label(name, anonymous), reason)
    fitted = _fit(kind, raw, members)
    if isinstance(fitted, Misfit):
        return BadEntry(_label(name, anonymous), fitted.reason)
    return Descriptor(kind, name, fitted)


def _fit(kind: Kind, raw: bytes, members: Members) -> bytes | Misfit:
    """The entry without members that are null instead of absent."""
    # What later revisions allow is not judged by the types of this one, and stays.
    judged = _without_schema_of_later_revisions(members) if kind is Kind.TOOL else members
    kept = fit_members(ENTRY_SHAPES[kind], judged)
    if isinstance(kept, Misfit):
        return kept
    if kept is judged:
        return raw
    whole = {each: kept.get(each, value) for each, value in members.items() if each in kept or each not in judged}
    return encode_members(whole)


def _without_schema_of_later_revisions(tool: Members) -> Members:
    """The tool without an `outputSchema` that describes no object, or not by its root's `type`.

    Up to MCP 2025-11-25 that `type` is "object"; later revisions allow any schema.
    """
    schema = tool.get("outputSchema")
    try:
        members = {} if schema is None else decode_members(schema)
    except _UNREADABLE:
        return tool
    if schema is None or is_text(members.get("type", b""), "object"):
        return tool
    return {name: value for name, value in tool.items() if name != "outputSchema"}


def _label(name: str, anonymous: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", name[:LABEL_LENGTH]) or anonymous


def _name_flaw(kind: Kind, name: str, limits: ListingLimits) -> str | None:
    member = WIRE[kind].member
    longest = limits.name if member == "name" else limits.uri
    if not name:
        return f"its {member} is empty"
    if len(name) > longest:
        return f"its {member} is longer than {longest} characters"
    if _CONTROL.search(name):
        return f"its {member} holds control characters"
    return None


def _parse_cursor(raw: msgspec.Raw | None, limits: ListingLimits) -> tuple[bytes | None, str]:
    cursor = bytes(raw) if raw is not None else b"null"
    if cursor == b"null":
        return None, ""
    if not cursor.startswith(b'"') or len(cursor) > limits.cursor:
        return None, f"its nextCursor is no text of at most {limits.cursor} bytes"
    return cursor, ""
