"""Whose page a `ui://` URI is (MCP Apps, SEP-1865): one that two backends claim gets a URI for each (ADR-0031).

A host shows the page of a URI behind the tool that names it, so a URI must never lead to another backend's page.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.core.catalog.capabilities import Listing
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.surrogates import decode_members, encode_members

SCHEME: Final = "ui://"
_RESERVED: Final = "ui://vmcp.dev/"
"""What the URIs of our own begin with; a backend's that begins like it is rewritten like a contested one."""

_SIGNS: Final = (b"esourceUri", b"outputTemplate", b"\\u")
_FLAT: Final = ("ui/resourceUri", "openai/outputTemplate")
"""Keys of `_meta` that name a page: that of early hosts, and that of the Apps SDK for ChatGPT."""

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.encode

Rename: TypeAlias = Callable[[str], str | None]
"""The URI that takes the place of a page's; None takes what names the page out."""


def own_uri(backend: str, uri: str) -> str:
    """The URI under which clients know this page of this backend when its own is not enough."""
    return f"{_RESERVED}{backend}/{uri.removeprefix(SCHEME)}"


def parse_own_uri(uri: str) -> tuple[str, str] | None:
    """The backend and its own URI; None where the URI is none of ours."""
    if not uri.startswith(_RESERVED):
        return None
    backend, slash, rest = uri.removeprefix(_RESERVED).partition("/")
    return (backend, SCHEME + rest) if backend and slash else None


@dataclass(frozen=True, slots=True)
class PageClaims:
    """The backends that claim each `ui://` URI, by listing it or by a tool; `is_alone` where there is one backend."""

    owners: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_alone: bool = True

    @property
    def claimants(self) -> frozenset[str]:
        """The backends that have pages."""
        return frozenset(name for names in self.owners.values() for name in names)

    def exposed(self, backend: str, uri: str) -> str:
        """What clients know this URI of this backend by: its own only where nobody else can come to claim it.

        What is no `ui://` URI is never rewritten.
        """
        if not uri.startswith(SCHEME):
            return uri
        owners = self.owners.get(uri)
        is_plain = owners == frozenset((backend,)) or (owners is None and self.is_alone)
        return uri if is_plain and not uri.startswith(_RESERVED) else own_uri(backend, uri)


NO_CLAIMS: Final = PageClaims(is_alone=False)
"""Where it is not known what others claim."""


def claims_of(listings: Iterable[Listing], *, is_alone: bool) -> PageClaims:
    """What these listings claim."""
    owners: dict[str, set[str]] = {}
    for listing in listings:
        for uri in _claimed(listing):
            owners.setdefault(uri, set()).add(listing.backend)
    return PageClaims({uri: frozenset(names) for uri, names in owners.items()}, is_alone)


def _claimed(listing: Listing) -> Iterable[str]:
    yield from (resource.name for resource in listing.of(Kind.RESOURCE) if resource.name.startswith(SCHEME))
    for tool in listing.tools:
        yield from pages_of(tool.raw)


def pages_of(tool: bytes) -> tuple[str, ...]:
    """The `ui://` URIs that a tool's descriptor names as its page, in any of the ways that hosts read."""
    if not any(sign in tool for sign in _SIGNS):
        return ()
    found: list[str] = []

    def note(uri: str) -> str:
        found.append(uri)
        return uri

    rename_pages(tool, note)
    return tuple(dict.fromkeys(found))


def rename_pages(described: bytes, rename: Rename) -> bytes:
    """A descriptor, or a result, with the pages that its `_meta` names renamed; the same bytes where none is."""
    members = _members(described)
    meta = _members(members.get("_meta"))
    kept = _renamed(meta, _FLAT, rename)
    ui = _members(meta.get("ui"))
    if "resourceUri" in ui:
        kept_ui = _renamed(ui, ("resourceUri",), rename)
        if "resourceUri" not in kept_ui:
            kept = {key: value for key, value in kept.items() if key != "ui"}
        elif kept_ui is not ui:
            kept = {**kept, "ui": msgspec.Raw(encode_members(kept_ui))}
    if kept is meta:
        return described
    return encode_members({**members, "_meta": msgspec.Raw(encode_members(kept))})


def _renamed(members: dict[str, msgspec.Raw], keys: Iterable[str], rename: Rename) -> dict[str, msgspec.Raw]:
    """The members, the same where nothing changes."""
    kept = members
    for key in keys:
        uri = text_in(members.get(key))
        if uri is None or not uri.startswith(SCHEME) or (name := rename(uri)) == uri:
            continue
        kept = dict(kept)
        if name is None:
            del kept[key]
        else:
            kept[key] = msgspec.Raw(_encode(name))
    return kept


def text_in(raw: msgspec.Raw | None) -> str | None:
    """A text, where it is one."""
    try:
        return _decode_text(raw) if raw is not None else None
    except _UNREADABLE:
        return None


def _members(raw: msgspec.Raw | bytes | None) -> dict[str, msgspec.Raw]:
    """The members of an object; none of anything else."""
    try:
        return decode_members(raw) if raw is not None else {}
    except _UNREADABLE:
        return {}
