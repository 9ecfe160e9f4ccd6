"""The extensions of MCP that are carried between clients and backends; all others are dropped (ADR-0031)."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members

UI: Final = "io.modelcontextprotocol/ui"
"""MCP Apps (SEP-1865): tools with pages that the host shows."""

Settings: TypeAlias = Mapping[str, bytes]
"""Raw JSON objects by extension."""

CARRIED: Final = frozenset({UI})

PAGES: Final[Settings] = MappingProxyType({UI: b'{"mimeTypes":["text/html;profile=mcp-app"]}'})
"""What a client that shows pages declares at the least (SEP-1865)."""

MAX_SETTINGS: Final = 4 << 10
"""Bytes of one extension's settings; what is longer is no description of what a peer can do."""

NONE: Final[Settings] = MappingProxyType({})

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_extensions(raw: msgspec.Raw | bytes | None) -> Settings:
    """The carried extensions among the `extensions` of a peer's capabilities; a peer may declare odd ones."""
    if raw is None:
        return NONE
    declared = _members(raw)
    found = {name: bytes(declared[name]) for name in sorted(CARRIED.intersection(declared))}
    return {name: value for name, value in found.items() if value[:1] == b"{" and len(value) <= MAX_SETTINGS}


def encode_extensions(settings: Settings) -> bytes:
    """The member `extensions` of capabilities."""
    return encode_members({name: msgspec.Raw(value) for name, value in settings.items()})


def join_extensions(declared: Iterable[Settings]) -> Settings:
    """What several peers declare, as one: of lists all values, of other settings that of the first peer."""
    joined: dict[str, dict[str, msgspec.Raw]] = {}
    for settings in declared:
        for name, value in settings.items():
            known = joined.setdefault(name, {})
            for key, setting in _members(value).items():
                known[key] = _with_values(known[key], setting) if key in known else setting
    return {name: encode_members(members) for name, members in joined.items()}


def _with_values(first: msgspec.Raw, more: msgspec.Raw) -> msgspec.Raw:
    try:
        values = dict.fromkeys(bytes(each) for each in (*decode_items(first), *decode_items(more)))
    except _UNREADABLE:
        return first
    joined = b"[" + b",".join(values) + b"]"
    return msgspec.Raw(joined) if len(joined) <= MAX_SETTINGS else first


def _members(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    try:
        return decode_members(raw)
    except _UNREADABLE:
        return {}
