"""Which member of an object does not fit its type, and the object without the members that are null instead of absent.

This is the long way, member by member over raw JSON, for what a decoder of the types has refused.
"""

from math import nan
from typing import Final, TypeAlias

import msgspec
from msgspec.inspect import BoolType, DictType, FloatType, IntType, LiteralType, StrType, StructType, VarTupleType

from vmcp_proxy.protocol.surrogates import decode_items, decode_members, encode_members

Members: TypeAlias = dict[str, msgspec.Raw]

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BOOLEAN_SCHEMAS: Final = {b"true": msgspec.Raw(b"{}"), b"false": msgspec.Raw(b'{"not":{}}')}
"""Objects that mean the same (JSON Schema 2020-12, 4.3.2)."""

_decode_text: Final = msgspec.json.Decoder(str).decode


class Misfit(msgspec.Struct, frozen=True, gc=False):
    """What is wrong with which member, without its value."""

    reason: str


def fit_members(shape: StructType, members: Members, path: str = "") -> Members | Misfit:
    """The members, without the optional ones that are null, in depth; the same mapping where nothing had to go.

    Servers in languages with optional values write null where they have none; MCP's schema has no null there, and
    clients refuse the whole list for it. `path` leads to the object from the entry, as in `icons[0]`.
    """
    kept = members
    for field in shape.fields:
        name = field.encode_name
        raw = members.get(name)
        if raw is None:
            if field.required:
                return Misfit(f"its {path} has no {name}" if path else f"it has no {name}")
        elif not field.required and _is_null(raw):
            kept = dict(members) if kept is members else kept
            del kept[name]
        else:
            fitted = _fit(field.type, raw, f"{path}.{name}" if path else name)
            if isinstance(fitted, Misfit):
                return fitted
            if fitted is not raw:
                kept = dict(members) if kept is members else kept
                kept[name] = fitted
    return kept


def is_text(raw: msgspec.Raw | bytes, *texts: str) -> bool:
    """Whether it is one of these texts, however that is written."""
    try:
        return _decode_text(raw) in texts
    except _UNREADABLE:
        return False


def _fit(shape: msgspec.inspect.Type, raw: msgspec.Raw, path: str) -> msgspec.Raw | Misfit:
    match shape:
        case StructType():
            return _fit_object(shape, raw, path)
        case DictType():
            return _fit_values(shape, raw, path)
        case VarTupleType():
            return _fit_items(shape, raw, path)
    what, fits = _judge_leaf(shape, bytes(raw))
    return raw if fits else Misfit(f"its {path} is no {what}")


def _fit_object(shape: StructType, raw: msgspec.Raw, path: str) -> msgspec.Raw | Misfit:
    # Mostly only one member is odd, and the decoder is much faster than this walk.
    if _decodes(shape, raw):
        return raw
    members = _members_of(raw)
    if members is None:
        return Misfit(f"its {path} is no object")
    kept = fit_members(shape, members, path)
    if isinstance(kept, Misfit):
        return kept
    return raw if kept is members else msgspec.Raw(encode_members(kept))


def _fit_values(shape: DictType, raw: msgspec.Raw, path: str) -> msgspec.Raw | Misfit:
    """Of a schema's properties: those that are `true` or `false` become objects, for clients read nothing else."""
    members = _members_of(raw)
    if members is None:
        return Misfit(f"its {path} is no object")
    kept: Members = {}
    for name, value in members.items():
        fitted = _fit(shape.value_type, _BOOLEAN_SCHEMAS.get(bytes(memoryview(value)[:6]), value), f"{path}.*")
        if isinstance(fitted, Misfit):
            return fitted
        kept[name] = fitted
    if all(kept[name] is value for name, value in members.items()):
        return raw
    return msgspec.Raw(encode_members(kept))


def _fit_items(shape: VarTupleType, raw: msgspec.Raw, path: str) -> msgspec.Raw | Misfit:
    try:
        items = decode_items(raw)
    except _UNREADABLE:
        return Misfit(f"its {path} is no list")
    kept: list[msgspec.Raw] = []
    for position, item in enumerate(items):
        fitted = _fit(shape.item_type, item, f"{path}[{position}]")
        if isinstance(fitted, Misfit):
            return fitted
        kept.append(fitted)
    if all(after is before for after, before in zip(kept, items, strict=True)):
        return raw
    return msgspec.Raw(b"[" + b",".join(map(bytes, kept)) + b"]")


def _judge_leaf(shape: msgspec.inspect.Type, raw: bytes) -> tuple[str, bool]:
    """What a value of this type is called, and whether this is one."""
    match shape:
        case StrType():
            return "text", raw.startswith(b'"')
        case BoolType():
            return "boolean", raw in (b"true", b"false")
        case IntType():
            # A whole number may be written as 5.0 or 5e2.
            return "whole number", raw.removeprefix(b"-").isdigit() or _number_of(raw).is_integer()
        case FloatType(ge=float() | int() as least, le=float() | int() as most):
            return f"number from {least:g} to {most:g}", least <= _number_of(raw) <= most
        case LiteralType(values=values):
            return " or ".join(f'"{each}"' for each in values), is_text(raw, *map(str, values))
    raise TypeError(shape)


def _number_of(raw: bytes) -> float:
    """Not a number where it is none."""
    return float(raw) if raw[:1] in b"-0123456789" else nan


def _decodes(shape: StructType, raw: msgspec.Raw) -> bool:
    try:
        msgspec.json.decode(raw, type=shape.cls)
    except _UNREADABLE:
        return False
    return True


def _members_of(raw: msgspec.Raw) -> Members | None:
    try:
        return decode_members(raw)
    except _UNREADABLE:
        return None


def _is_null(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"n"
