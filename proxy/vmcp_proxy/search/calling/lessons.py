"""What a model needs to know after a call with arguments that do not fit: what is wrong, and the tool's schema."""

from typing import Final

import msgspec

from vmcp_proxy.protocol.params import InvalidParamsError, Members, parse_members
from vmcp_proxy.search.calling.misfit import misfit

MOST_SCHEMA_BYTES: Final = 32 << 10
"""Bytes of a schema that is checked against, and that an answer repeats."""

_MOST_ARGUMENT_BYTES: Final = 64 << 10
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode: Final = msgspec.json.Decoder().decode


def lesson_of(tool: bytes, name: str, members: Members) -> str:
    """What is wrong with the arguments of a call by the `inputSchema` of its tool; empty where nothing plainly is."""
    try:
        schema = bytes(parse_members(tool).get("inputSchema", b"{}"))
        arguments = bytes(members.get("arguments", b"{}"))
        if len(schema) > MOST_SCHEMA_BYTES or len(arguments) > _MOST_ARGUMENT_BYTES:
            return ""
        wrong = misfit(_decode(schema), _decode(arguments))
        said = schema.decode()
    except (InvalidParamsError, *_UNREADABLE):
        return ""
    return f"The arguments do not fit the inputSchema of {name!r}: {wrong}. Its inputSchema: {said}" if wrong else ""
