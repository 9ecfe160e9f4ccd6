"""What the result of a tool is to templates, read once (`CallToolResult`, MCP 2025-11-25)."""

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vmcp_api.base import Json
from vmcp_api.templates.decoding import RangeError, load_json
from vmcp_proxy.protocol.surrogates import mask
from vmcp_proxy.workflows.bounds import Held
from vmcp_proxy.workflows.reasons import shortened
from vmcp_proxy.workflows.weight import weight_of

_NO_RESULT: Final = "the tool answered with what is no result of a tool"
_TOO_LARGE: Final = "the results of the steps take"
_COPIES: Final = 6
"""What reading half a character makes of a result for a moment: masked copies, or all of it as one text."""

_NO_TEXT: Final = "the tool failed and did not say why"


class Reads(msgspec.Struct, frozen=True, gc=False):
    """What templates read of a step, so that nothing else is made of its result.

    `raw` where it may become the result of the workflow as it came: otherwise it is let go of once it is read.
    """

    output: bool = False
    content: bool = False
    raw: bool = False


class Values(msgspec.Struct, frozen=True):
    """What templates see of a result, both empty where none reads them, and the result as it came if it is kept.

    `weight` is what holding them takes, in bytes.
    """

    output: dict[str, Json]
    content: dict[str, Json]
    raw: bytes | msgspec.Raw | None
    weight: int


class ToolError(msgspec.Struct, frozen=True, gc=False):
    """A result that is none: `isError`, or nothing that can be read."""

    reason: str


class _Mark(msgspec.Struct, gc=False):
    is_error: Any = msgspec.field(name="isError", default=False)


class _Whole(msgspec.Struct):
    is_error: Any = msgspec.field(name="isError", default=False)
    structured: Any = msgspec.field(name="structuredContent", default=None)
    content: Any = None


_decode_mark: Final = msgspec.json.Decoder(_Mark).decode
_decode_whole: Final = msgspec.json.Decoder(_Whole).decode


def read_result(raw: bytes | msgspec.Raw, reads: Reads, held: Held) -> Values | ToolError:
    """What a result holds, or why it is none; one for which there is no room is not decoded. Holds nothing yet.

    Leniently: `content` may be missing, and what is no object among it, or of an unknown type, is passed over.
    """
    kept, weight = (raw, memoryview(raw).nbytes) if reads.raw else (None, 0)
    try:
        if not (reads.output or reads.content) and _is_fine(raw):
            _look_for_room(held, weight)
            return Values({}, {}, kept, weight)
        # It takes its own size at least: what could never fit is not even looked through.
        _look_for_room(held, weight + memoryview(raw).nbytes)
        weight += weight_of(raw)
        _look_for_room(held, weight)
        result = _whole(raw, held)
    except _LackError as error:
        return ToolError(f"{_TOO_LARGE} {error}")
    except RangeError as error:
        return ToolError(f"the tool's result holds {error}")
    except (ValueError, RecursionError):
        return ToolError(_NO_RESULT)
    if result.is_error is True:
        return ToolError(_reason(result))
    content = _by_kind(result.content) if reads.content or not isinstance(result.structured, dict) else {}
    return Values(result.structured if isinstance(result.structured, dict) else content, content, kept, weight)


def _is_fine(raw: bytes | msgspec.Raw) -> bool:
    """Whether it is a result and no error, as far as can be seen without reading all of it."""
    try:
        return _decode_mark(raw).is_error is not True
    except msgspec.DecodeError:
        # It may hold half a character, which is read with more care.
        return False


class _LackError(Exception):
    """There is no room for what is to be read."""


def _look_for_room(held: Held, size: int) -> None:
    if lack := held.lack(size):
        raise _LackError(lack)


def _whole(raw: bytes | msgspec.Raw, held: Held) -> _Whole:
    """The members of a result; texts that were cut inside a character end with a replacement character.

    Raises:
        _LackError: there is no room for reading it with that care.
        RangeError: it holds a number that is too large.
        ValueError, RecursionError: it is no object.
    """
    try:
        return _decode_whole(raw)
    except msgspec.DecodeError:
        _look_for_room(held, _COPIES * memoryview(raw).nbytes)
        masked = mask(raw)
        if masked is None:
            load_json(bytes(raw))
            raise
    return _decode_whole(masked.replaced)


def _by_kind(blocks: object) -> dict[str, Json]:
    """The blocks by their kinds, as ToolHive names them: `text`, `text_1`, …, `image_0`, …, `resource`, and so on."""
    found: dict[str, Json] = {}
    counts: dict[str, int] = {}
    for block in blocks if isinstance(blocks, list) else ():
        if not isinstance(block, dict):
            continue
        kind, value = _content(block)
        if kind:
            count = counts[kind] = counts.get(kind, -1) + 1
            found[f"{kind}_{count}" if count or kind in _NUMBERED else kind] = value
    return found


def is_block(name: str) -> bool:
    """Whether `steps.<id>.content` may have a member of this name."""
    kind, _, count = name.partition("_")
    return kind in _KINDS and (not count or count.isdecimal())


_KINDS: Final = frozenset({"text", "image", "audio", "link", "resource"})
_NUMBERED: Final = frozenset({"image", "audio"})
"""Kinds whose first block has a number too."""


def _content(block: dict[str, Any]) -> tuple[str, Json]:
    """The kind of a block, empty for unknown ones, and what it holds."""
    match block.get("type"):
        case "text":
            return "text", block.get("text", "")
        case "image" | "audio" as kind:
            return kind, block.get("data", "")
        case "resource_link":
            return "link", block.get("uri", "")
        case "resource":
            resource = block.get("resource")
            held = resource if isinstance(resource, dict) else {}
            return "resource", held.get("text") or held.get("blob", "")
    return "", None


def _reason(result: _Whole) -> str:
    blocks = result.content if isinstance(result.content, list) else ()
    texts = (block.get("text") for block in blocks if isinstance(block, dict))
    structured = result.structured if isinstance(result.structured, dict) else {}
    return _first_text((*texts, structured.get("error"), structured.get("message"))) or _NO_TEXT


def _first_text(found: Iterable[object]) -> str:
    """The first text that says something, cut to what a reason may have."""
    return shortened(next((each.strip() for each in found if isinstance(each, str) and each.strip()), ""))


def encode_json(value: object) -> bytes:
    """Values as JSON; what UTF-8 cannot hold is escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def weight_of_result(text: bytes) -> int:
    """Bytes that making `structured_result` of a JSON text takes: as a text, and twice in the result."""
    return (3 if text.isascii() else 6) * len(text)


def structured_result(text: bytes) -> bytes:
    """A `CallToolResult` of an object's JSON: structured, and as text for those who read no other."""
    return msgspec.json.encode(
        {"content": [{"type": "text", "text": text.decode()}], "structuredContent": msgspec.Raw(text)}
    )
