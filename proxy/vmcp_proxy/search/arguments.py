"""What a client wants of our two tools, in our names for the arguments or in ToolHive's; pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vmcp_proxy.protocol.params import InvalidParamsError, Members, encode_members, parse_members, raw_text

_NAMES: Final = ("name", "tool_name")
_ARGUMENTS: Final = ("arguments", "parameters")
_QUERIES: Final = ("query", "tool_description")
_KEYWORDS: Final = ("keywords", "tool_keywords")

_LONGEST_QUERY: Final = 4096
_MOST_KEYWORDS: Final = 64
_LONGEST_NAME: Final = 256
"""Characters of a name that an answer repeats."""

_MOST_LISTED: Final = 5
_DIGITS: Final = 10

_OF_CALL: Final = frozenset((*_NAMES, *_ARGUMENTS))
_CALL_SHAPE: Final = 'call_tool takes {"name": "<a name that find_tool gave>", "arguments": {<the tool\'s arguments>}}'
_FIND_SHAPE: Final = 'find_tool takes {"query": "<what you want to do>"}'
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_OBJECT: Final = ord("{")
_decode: Final = msgspec.json.Decoder().decode
_decode_text: Final = msgspec.json.Decoder(str).decode


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A search: `backend` is the one whose tools are wanted, empty for all; `limit` the most tools in the answer."""

    query: str
    keywords: tuple[str, ...]
    backend: str
    limit: int


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The tool that a call of `call_tool` is about, and the params of its own call."""

    name: str
    members: Members
    params: msgspec.Raw


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The arguments of `call_tool` as its schema has them, for a tool that takes some."""

    name: msgspec.Raw
    arguments: msgspec.Raw


_decode_plain: Final = msgspec.json.Decoder(_Plain).decode


class MisusedError(ValueError):
    """Arguments of ours that are of no use; the text says what came and what to write, and is fit for the model."""


def read_search(members: Members, most: int) -> Asked:
    """What a call of `find_tool` looks for; `most` is the most tools that it may want.

    Raises:
        MisusedError: nobody can search for that.
    """
    given = _given(members, _FIND_SHAPE)
    keywords = _keywords(_first(given, _KEYWORDS))
    query = _text(given, _QUERIES, _FIND_SHAPE) or " ".join(keywords)
    if not query.strip():
        raise MisusedError(f"The query is missing: {_FIND_SHAPE}.")
    if len(query) > _LONGEST_QUERY:
        raise MisusedError(f"The query has {len(query)} characters, over {_LONGEST_QUERY}: say it in a sentence.")
    return Asked(query, keywords, _text(given, ("backend",), _FIND_SHAPE), _limit(given, most))


def read_call(members: Members) -> Chosen:
    """Which tool a call of `call_tool` is about, with the params that its own call would have.

    All other members stay as they are: what clients say of progress, or answer, is of the tool's call. Models put the
    name among the arguments at times, or write these as a text that holds JSON: what is meant is taken. Arguments that
    stand beside the name alone are refused: a tool that runs without what it was given does another thing.

    Raises:
        MisusedError: it names no tool, or has no arguments that a tool could have.
    """
    return _read_plain(members) or _read_loosely(members)


def _read_plain(members: Members) -> Chosen | None:
    """As nearly all calls are written, in one step, name and arguments as they came; None for the others."""
    try:
        plain = _decode_plain(members["arguments"])
        name = _decode_text(plain.name)
    except (KeyError, *_UNREADABLE):
        return None
    if not name or memoryview(plain.arguments)[0] != _OBJECT:
        return None
    kept = members.copy()
    kept["name"], kept["arguments"] = plain.name, plain.arguments
    return Chosen(name, kept, msgspec.Raw(encode_members(kept)))


def _read_loosely(members: Members) -> Chosen:
    given = _given(members, _CALL_SHAPE)
    name = _text(given, _NAMES, _CALL_SHAPE)
    arguments = _arguments_of(given)
    misplaced = [] if arguments else [member for member in given if member not in _OF_CALL]
    if misplaced:
        raise MisusedError(f"The arguments of the tool stand beside its name ({_list(misplaced)}): {_CALL_SHAPE}.")
    if not name and arguments is not None and "tool_name" in arguments:
        name = _plain_text(arguments["tool_name"]) or ""
        arguments = {key: value for key, value in arguments.items() if key != "tool_name"}
    if not name:
        raise MisusedError(f"The name of the tool is missing: {_CALL_SHAPE}.")
    kept = {key: value for key, value in members.items() if key != "arguments"}
    kept["name"] = raw_text(name)
    if arguments is not None:
        kept["arguments"] = msgspec.Raw(encode_members(arguments))
    return Chosen(name, kept, msgspec.Raw(encode_members(kept)))


def shown(name: str) -> str:
    """A name that a client has made up, at a length that fits an answer."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")


def _given(members: Members, shape: str) -> Members:
    try:
        return parse_members(_unless_null(members.get("arguments")))
    except InvalidParamsError:
        raise MisusedError(f"The arguments must be an object: {shape}.") from None


def _arguments(raw: msgspec.Raw | None) -> Members | None:
    if raw is None:
        return None
    text = _plain_text(raw)
    try:
        return parse_members(raw if text is None else text.encode(errors="surrogatepass"))
    except InvalidParamsError:
        raise MisusedError(f"The tool's arguments must be an object: {_CALL_SHAPE}.") from None


def _arguments_of(given: Members) -> Members | None:
    """By any of their names; an empty object beside a full one says nothing."""
    found = [each for name in _ARGUMENTS if (each := _arguments(_unless_null(given.get(name)))) is not None]
    full = [each for each in found if each]
    if len(full) > 1 and full[0] != full[1]:
        both = " and ".join(f'"{name}"' for name in _ARGUMENTS)
        raise MisusedError(f"The arguments {both} say different things: {_CALL_SHAPE}.")
    return next(iter(full or found), None)


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(map(shown, names[:_MOST_LISTED])) + more


def _text(given: Members, names: Iterable[str], shape: str) -> str:
    """A text by any of its names, empty where there is none; two that differ say nothing."""
    found = {name: raw for name in names if (raw := _unless_null(given.get(name))) is not None}
    texts = {name: _plain_text(raw) for name, raw in found.items()}
    for name, text in texts.items():
        if text is None:
            raise MisusedError(f'The argument "{name}" must be a text: {shape}.')
    said = {text for text in texts.values() if text}
    if len(said) > 1:
        both = " and ".join(f'"{name}"' for name in texts)
        raise MisusedError(f"The arguments {both} say different things: {shape}.")
    return said.pop() if said else ""


def _limit(given: Members, most: int) -> int:
    limit = _value(_unless_null(given.get("limit")))
    if limit is None:
        return most
    if (type(limit) is float and limit.is_integer()) or (
        type(limit) is str and limit.isdecimal() and len(limit) < _DIGITS
    ):
        limit = int(limit)
    if type(limit) is not int or limit < 1:
        raise MisusedError(f"The limit must be a whole number from 1 to {most}.")
    return min(limit, most)


def _keywords(raw: msgspec.Raw | None) -> tuple[str, ...]:
    found = _value(raw)
    words = [found] if isinstance(found, str) else found
    if words is None:
        return ()
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise MisusedError('The keywords must be a list of texts: {"keywords": ["issue", "create"]}.')
    if len(words) > _MOST_KEYWORDS or sum(map(len, words)) > _LONGEST_QUERY:
        raise MisusedError(
            f"There are too many keywords, over {_MOST_KEYWORDS} or {_LONGEST_QUERY} characters: give few."
        )
    return tuple(words)


def _first(given: Members, names: Iterable[str]) -> msgspec.Raw | None:
    return next((raw for name in names if (raw := _unless_null(given.get(name))) is not None), None)


def _unless_null(raw: msgspec.Raw | None) -> msgspec.Raw | None:
    return None if raw is None or bytes(raw).strip() == b"null" else raw


def _plain_text(raw: msgspec.Raw) -> str | None:
    try:
        return _decode_text(raw)
    except _UNREADABLE:
        return None


def _value(raw: msgspec.Raw | None) -> Any:
    try:
        return None if raw is None else _decode(raw)
    except _UNREADABLE:
        return ()
