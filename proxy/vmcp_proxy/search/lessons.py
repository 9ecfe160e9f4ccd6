"""What a model needs to know after a call with arguments that do not fit: what is wrong, and the tool's schema."""

from typing import Any, Final

import msgspec

from vmcp_api.workflows.schemas import SchemaError, build_validator
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError, Members, parse_members

MOST_SCHEMA_BYTES: Final = 32 << 10
"""Bytes of a schema that is checked against, and that an answer repeats."""

_MOST_ARGUMENT_BYTES: Final = 256 << 10
_LONGEST: Final = 300
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode: Final = msgspec.json.Decoder().decode


def lesson_of(tool: bytes, name: str, members: Members) -> str:
    """What is wrong with the arguments of a call by the `inputSchema` of its tool; empty where nothing is.

    Nor is anything of a schema that is too large, refers elsewhere or to itself: nobody can say then. It may take
    milliseconds.
    """
    schema = _schema_of(tool)
    if schema is None or len(schema) > MOST_SCHEMA_BYTES:
        return ""
    arguments = members.get("arguments", msgspec.Raw(b"{}"))
    if len(bytes(arguments)) > _MOST_ARGUMENT_BYTES:
        return ""
    wrong = _fault(schema, arguments)
    if not wrong:
        return ""
    return f"The arguments do not fit the inputSchema of {name!r}: {wrong}. Its inputSchema: {bytes(schema).decode()}"


def _schema_of(tool: bytes) -> bytes | None:
    try:
        schema = parse_members(tool).get("inputSchema")
    except InvalidParamsError:
        return None
    return None if schema is None else bytes(schema)


def _fault(schema: bytes, arguments: Raw) -> str:
    try:
        rules: Any = _decode(schema)
        value: Any = _decode(arguments)
        validator = build_validator(rules) if isinstance(rules, dict) else None
    except (SchemaError, *_UNREADABLE):
        return ""
    error = None if validator is None else next(validator.iter_errors(value), None)
    if error is None:
        return ""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    said = f"arguments{path}: {error.message}"
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
