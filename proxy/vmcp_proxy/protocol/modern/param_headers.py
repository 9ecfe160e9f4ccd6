"""Arguments that travel as headers too: what a tool's schema says of them, their values, and the check.

A property with `x-mcp-header: Region` has its value sent as `Mcp-Param-Region`, so that what stands between client and
server can route by it (MCP 2026-07-28, "Custom Headers").
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.modern.header_values import decode_header_value, encode_header_value
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.surrogates import decode_members, mask

_KEY: Final = "x-mcp-header"
_PREFIX: Final = "Mcp-Param-"
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SPELT: Final = re.compile("".join(rf"(?:{re.escape(char)}|\\u00(?i:{ord(char):02x}))" for char in _KEY).encode())

_MOST_BYTES: Final = 256 * 1024
"""Of an `inputSchema` that is searched: what it takes once decoded is some 30 times as much."""
_MOST_HEADERS: Final = 64
_DEEPEST: Final = 16
"""Names that lead to an argument: each level of a call's arguments that is opened is read to its end."""
_LONGEST_PATH: Final = 1_024
_LONGEST_TOKEN: Final = 128

_LONGEST_VALUE: Final = 8 << 10
_MOST_VALUES: Final = 12 << 10
"""Bytes of one value and of all as they are sent: few servers read more than 16 KiB of headers, and say why not."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110 section 5.6.2."""
_DECIMAL: Final = re.compile(r"(-?[0-9]+)(?:\.0*)?")
_LONGEST_NUMBER: Final = 400
"""Characters of a number that is compared as one: doubles have fewer, and Python is slow to read very long ones."""

_TYPES: Final = frozenset({"string", "integer", "boolean"})
_ONE: Final = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_LISTED: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties"})
"""Keywords of JSON Schema 2020-12 whose value is a schema, a list of them, or has them by name.

`properties` is apart: it alone leads to a value of the arguments that is there for certain.
"""


class ParamHeader(msgspec.Struct, frozen=True, gc=False):
    """One argument that travels as a header: the names that lead to it, and the header's name."""

    path: tuple[str, ...]
    name: str
    type: str


ParamHeaders: TypeAlias = tuple[ParamHeader, ...]


_Link: TypeAlias = tuple[()] | tuple[Any, str]
"""The link of the property around it, and a name: a path for each property would take leaves times depth."""


class BadAnnotation(msgspec.Struct, frozen=True, gc=False):
    """Why nobody may call a tool with such a schema."""

    reason: str


def may_declare(tool: bytes) -> bool:
    """Whether the keyword stands anywhere in a tool, however it is spelt: most have none, and need no closer look."""
    return _KEY.encode() in tool or (b"\\u" in tool and _SPELT.search(tool) is not None)


def read_param_headers(tool: bytes) -> ParamHeaders | BadAnnotation:
    """What a tool says in its `inputSchema`; its JSON object is sound, and nothing in it is dereferenced."""
    if not may_declare(tool):
        return ()
    try:
        schema = bytes(decode_members(tool).get("inputSchema", b"{}"))
        if len(schema) > _MOST_BYTES:
            return _judge_unread(schema)
        masked = mask(schema)
        decoded = msgspec.json.decode(schema if masked is None else masked.replaced)
    except _UNREADABLE:
        return ()
    return _collect(decoded)


def _collect(schema: Any) -> ParamHeaders | BadAnnotation:
    found: dict[str, ParamHeader] = {}
    for link, place in _places(schema):
        if _KEY in place:
            header = _read(link, place)
            if isinstance(header, BadAnnotation):
                return header
            if found.setdefault(header.name.lower(), header) is not header:
                return BadAnnotation(f"two of its arguments have the same {_KEY}")
            if len(found) > _MOST_HEADERS:
                return BadAnnotation(f"more than {_MOST_HEADERS} of its arguments have an {_KEY}")
    return tuple(found.values())


def _judge_unread(schema: bytes) -> ParamHeaders | BadAnnotation:
    if not may_declare(schema):
        return ()
    return BadAnnotation(
        f"its inputSchema has an {_KEY}, and {len(schema)} bytes; at most {_MOST_BYTES} are searched for one"
    )


def _read(link: _Link | None, schema: dict[str, Any]) -> ParamHeader | BadAnnotation:
    if not link:
        return BadAnnotation(f"it has an {_KEY} that is not at a property")
    path = _path_of(link)
    if path is None:
        return BadAnnotation(
            f"an {_KEY} of it is at an argument that more than {_DEEPEST} names lead to, "
            f"or names of over {_LONGEST_PATH} characters"
        )
    token, kind = schema[_KEY], schema.get("type")
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        return BadAnnotation(f"an {_KEY} of it is no name of a header")
    if len(token) > _LONGEST_TOKEN:
        return BadAnnotation(f"an {_KEY} of it has over {_LONGEST_TOKEN} characters")
    if not isinstance(kind, str) or kind not in _TYPES:
        return BadAnnotation(f"an {_KEY} of it is at an argument that is no text, whole number or boolean")
    return ParamHeader(path, _PREFIX + token, kind)


def _path_of(link: _Link) -> tuple[str, ...] | None:
    """The names, outermost first; None where they are more, or longer, than is followed."""
    names: list[str] = []
    at: Any = link
    while at:
        at, name = at
        names.append(name)
        if len(names) > _DEEPEST:
            return None
    return None if sum(map(len, names)) > _LONGEST_PATH else tuple(reversed(names))


def _places(root: Any) -> Iterator[tuple[_Link | None, dict[str, Any]]]:
    """Every schema in a schema, with the properties that lead to it; None where something else does."""
    stack: list[tuple[_Link | None, Any]] = [((), root)]
    while stack:
        link, schema = stack.pop()
        if not isinstance(schema, dict):
            continue
        yield link, schema
        for keyword, value in schema.items():
            if keyword == "properties" and isinstance(value, dict):
                stack.extend((None if link is None else (link, name), each) for name, each in value.items())
            elif keyword in _ONE:
                stack.append((None, value))
            elif keyword in _LISTED and isinstance(value, list):
                stack.extend((None, each) for each in value)
            elif keyword in _NAMED and isinstance(value, dict):
                stack.extend((None, each) for each in value.values())


_Opened: TypeAlias = dict[tuple[str, ...], dict[str, msgspec.Raw]]
"""The members of objects of the arguments, by the names that lead to them."""


def headers_for(declared: ParamHeaders, arguments: Raw | None) -> tuple[tuple[bytes, bytes], ...]:
    """The headers for these arguments, a JSON object; an argument that is absent, null or no such value has none.

    Raises:
        InvalidParamsError: one of them, or all together, would be longer than servers take.
    """
    sent: list[tuple[bytes, bytes]] = []
    opened: _Opened = {}
    size = 0
    for header in declared:
        text = _text_of(_value_at(header.path, arguments, opened))
        if text is None:
            continue
        try:
            value = encode_header_value(text)
        except UnicodeEncodeError:
            continue
        size += len(value)
        if len(value) > _LONGEST_VALUE or size > _MOST_VALUES:
            raise _too_long(header, len(value))
        sent.append((header.name.encode(), value))
    return tuple(sent)


def _too_long(header: ParamHeader, size: int) -> InvalidParamsError:
    argument = ".".join(header.path)
    return InvalidParamsError(
        f"The argument {argument!r} travels as the header {header.name} and is {size} bytes long as such; "
        f"at most {_LONGEST_VALUE} may be, and {_MOST_VALUES} of all such arguments."
    )


def find_mismatch(declared: ParamHeaders, arguments: Raw | None, value_of: Callable[[str], bytes | None]) -> str:
    """Which header contradicts the arguments, and how; empty where none does.

    `value_of` gives the value of a header by its name, None where it has not come.
    """
    opened: _Opened = {}
    for header in declared:
        came, text = value_of(header.name), _text_of(_value_at(header.path, arguments, opened))
        argument = ".".join(header.path)
        if text is None and came is not None:
            return f"The header {header.name} came without the argument {argument!r} that it stands for."
        if text is not None and came is None:
            return f"The argument {argument!r} came without the header {header.name} that stands for it."
        if text is not None and came is not None and not _is_same(header, text, decode_header_value(came)):
            return f"The header {header.name} does not say what the argument {argument!r} says."
    return ""


def _is_same(header: ParamHeader, text: str, came: str | None) -> bool:
    if came == text:
        return True
    if came is None or header.type != "integer" or len(came) > _LONGEST_NUMBER or len(text) > _LONGEST_NUMBER:
        return False
    ours, theirs = _DECIMAL.fullmatch(text), _DECIMAL.fullmatch(came)
    return ours is not None and theirs is not None and int(ours[1]) == int(theirs[1])


def _value_at(path: tuple[str, ...], arguments: Raw | None, opened: _Opened) -> Raw | None:
    """Opens what `opened` does not have yet: each object once, however many headers it has the values of."""
    value = arguments
    for depth, name in enumerate(path):
        if value is None:
            return None
        parents = path[:depth]
        members = opened.get(parents)
        if members is None:
            members = opened[parents] = _members_of(value)
        value = members.get(name)
    return value


def _members_of(value: Raw) -> dict[str, msgspec.Raw]:
    try:
        return decode_members(value)
    except _UNREADABLE:
        return {}


def _text_of(value: Raw | None) -> str | None:
    """A text, number or boolean as a header has it; None for all else."""
    raw = b"" if value is None else bytes(value)
    if raw.startswith(b'"'):
        try:
            return msgspec.json.decode(raw, type=str)
        except _UNREADABLE:
            return None
    if raw in (b"true", b"false"):
        return raw.decode()
    if raw[:1].isdigit() or raw[:1] == b"-":
        return _number(raw)
    return None


def _number(raw: bytes) -> str | None:
    """A number in digits alone where it is a whole one, however it is written."""
    digits = raw.removeprefix(b"-")
    if digits.isdigit():
        return "0" if digits == b"0" else raw.decode()
    number = float(raw)
    if number.is_integer():
        return str(int(number))
    return None if number in (float("inf"), float("-inf")) else repr(number)
