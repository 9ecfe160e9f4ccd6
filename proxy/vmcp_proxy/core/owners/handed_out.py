"""The resources that a result hands out: found without reading large results twice, and remembered (ADR-0031)."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.ui_pages import SCHEME, rename_pages, text_in
from vmcp_proxy.protocol.jsonrpc import Marks, PlainMarks, Raw
from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members

MOST_URIS: Final = 1024
MOST_CHARACTERS: Final = 128 << 10
"""What one session remembers; the URIs handed out longest ago give way."""

_LONGEST_URI: Final = 4096
_SIGN: Final = re.compile(rb'"resource(?:_link)?"|"(?:ui/)?resourceUri"|"openai/outputTemplate"')
_NAMES_PAGE: Final = re.compile(rb'resourceUri"|/outputTemplate"')
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode: Final = msgspec.json.encode


class HandedOut:
    """Which backend handed out which URI to one session; of several that of the latest counts."""

    __slots__ = ("_characters", "_owners")

    def __init__(self) -> None:
        self._owners: Final[OrderedDict[str, str]] = OrderedDict()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._owners)

    def note(self, uris: Iterable[str], backend: str) -> None:
        """Remembers what one backend handed out; URIs longer than those that lists may hold are not."""
        for uri in uris:
            if len(uri) <= _LONGEST_URI:
                self._note(uri, backend)

    def _note(self, uri: str, backend: str) -> None:
        self._characters += 0 if uri in self._owners else len(uri)
        self._owners[uri] = backend
        self._owners.move_to_end(uri)
        while len(self._owners) > MOST_URIS or self._characters > MOST_CHARACTERS:
            oldest, _ = self._owners.popitem(last=False)
            self._characters -= len(oldest)

    def owner(self, uri: str) -> str | None:
        """The backend that handed it out."""
        return self._owners.get(uri)


class _Embedded(msgspec.Struct, gc=False):
    uri: str = ""


class _Content(msgspec.Struct, gc=False):
    type: str = ""
    uri: str = ""
    resource: _Embedded | None = None


class _Message(msgspec.Struct, gc=False):
    content: _Content | list[_Content] = msgspec.field(default_factory=_Content)


class _Result(msgspec.Struct, gc=False):
    content: list[_Content] = msgspec.field(default_factory=list)
    messages: list[_Message] = msgspec.field(default_factory=list)


_decode: Final = msgspec.json.Decoder(_Result).decode


def may_hand_out(result: Raw, marks: Marks | None) -> bool:
    """Whether a look into the result is worth while; what spells its members with escapes is not looked at.

    `marks` are those of this result, where they are known: plain ones leave nothing but its `_meta` to be searched.
    """
    if isinstance(marks, PlainMarks):
        return marks.meta is not msgspec.UNSET and _SIGN.search(marks.meta) is not None
    return _SIGN.search(result) is not None


def names_page(result: Raw) -> bool:
    """Whether the result names a page by a member of its `_meta`."""
    return _NAMES_PAGE.search(result) is not None


def uris_of(result: Raw) -> list[str]:
    """The URIs that the contents of a tool's or a prompt's result link to or embed; none of an odd result."""
    try:
        decoded = _decode(result)
    except _UNREADABLE:
        return []
    contents = list(decoded.content)
    for message in decoded.messages:
        contents += message.content if isinstance(message.content, list) else [message.content]
    return [uri for each in contents if (uri := _uri_of(each))]


def _uri_of(content: _Content) -> str:
    if content.resource is not None:
        return content.resource.uri
    return content.uri if content.type == "resource_link" else ""


def rename_links(result: Raw, rename: Callable[[str], str]) -> Raw:
    """The result with the `ui://` URIs that it hands out renamed; the same object where none is."""
    try:
        members = decode_members(result)
        kept = {name: _WALKS[name](value, rename) if name in _WALKS else value for name, value in members.items()}
    except _UNREADABLE:
        return result
    renamed = result if all(kept[name] is members[name] for name in members) else encode_members(kept)
    if "_meta" not in members:
        return renamed
    of_meta = rename_pages(bytes(renamed), rename)
    return renamed if of_meta == bytes(renamed) else of_meta


def _in_contents(raw: msgspec.Raw, rename: Callable[[str], str]) -> msgspec.Raw:
    """A list of contents, or a single one."""
    if bytes(memoryview(raw)[:1]) != b"[":
        return _in_content(raw, rename)
    return _in_items(raw, lambda item: _in_content(item, rename))


def _in_messages(raw: msgspec.Raw, rename: Callable[[str], str]) -> msgspec.Raw:
    def in_message(item: msgspec.Raw) -> msgspec.Raw:
        return _with(item, "content", lambda content: _in_contents(content, rename))

    return _in_items(raw, in_message)


def _in_items(raw: msgspec.Raw, change: Callable[[msgspec.Raw], msgspec.Raw]) -> msgspec.Raw:
    items = decode_items(raw)
    kept = [change(item) for item in items]
    if all(after is before for after, before in zip(kept, items, strict=True)):
        return raw
    return msgspec.Raw(b"[" + b",".join(map(bytes, kept)) + b"]")


def _in_content(raw: msgspec.Raw, rename: Callable[[str], str]) -> msgspec.Raw:
    """One content, or one entry of what was read: its own `uri`, and that of what it embeds."""

    def renamed(text: msgspec.Raw) -> msgspec.Raw:
        uri = text_in(text)
        if uri is None or not uri.startswith(SCHEME) or (name := rename(uri)) == uri:
            return text
        return msgspec.Raw(_encode(name))

    return _with(_with(raw, "uri", renamed), "resource", lambda embedded: _with(embedded, "uri", renamed))


def _with(raw: msgspec.Raw, name: str, change: Callable[[msgspec.Raw], msgspec.Raw]) -> msgspec.Raw:
    """An object with one member changed, the same where it has none or nothing changes."""
    try:
        members = decode_members(raw)
    except _UNREADABLE:
        return raw
    value = members.get(name)
    if value is None or (changed := change(value)) is value:
        return raw
    return msgspec.Raw(encode_members({**members, name: changed}))


_WALKS: Final = {"content": _in_contents, "contents": _in_contents, "messages": _in_messages}
