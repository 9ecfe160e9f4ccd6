"""What a modern request says of itself: in its `_meta`, and by what it names (MCP 2026-07-28)."""

from typing import Final

import msgspec

from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.modern import envelope_keys
from vmcp_proxy.protocol.params import InvalidParamsError

NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The member of the params that `Mcp-Name` repeats, by method."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What a modern request says of itself and its client; raw JSON as it came, `client_info` None where it is absent.

    `log_level` is the least severe level of records that belong to this request; None for none at all. `is_all`: it
    was seen that nothing else stands in `_meta`, so that there is nothing there to relay.
    """

    capabilities: bytes
    client_info: bytes | None = None
    log_level: str | None = None
    is_all: bool = False


class Meta(msgspec.Struct, frozen=True, gc=False):
    """The members of `_meta` that are the envelope, raw."""

    version: msgspec.Raw | msgspec.UnsetType = msgspec.field(name=envelope_keys.PROTOCOL_VERSION, default=msgspec.UNSET)
    capabilities: msgspec.Raw | msgspec.UnsetType = msgspec.field(
        name=envelope_keys.CLIENT_CAPABILITIES, default=msgspec.UNSET
    )
    info: msgspec.Raw | msgspec.UnsetType = msgspec.field(name=envelope_keys.CLIENT_INFO, default=msgspec.UNSET)
    level: msgspec.Raw | msgspec.UnsetType = msgspec.field(name=envelope_keys.LOG_LEVEL, default=msgspec.UNSET)


class _WholeMeta(Meta, frozen=True, gc=False, forbid_unknown_fields=True):
    """A `_meta` of the envelope and nothing more."""


class EnvelopeParams(msgspec.Struct, frozen=True, gc=False):
    """What classification needs of the params of a request."""

    meta: Meta = msgspec.field(name="_meta", default=Meta())
    name: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    uri: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_NO_PARAMS: Final = EnvelopeParams()
_decode_params: Final = msgspec.json.Decoder(EnvelopeParams).decode
_decode_meta: Final = msgspec.json.Decoder(Meta).decode
_decode_whole: Final = msgspec.json.Decoder(_WholeMeta).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_params(raw: Raw | None) -> EnvelopeParams:
    """What classification needs of the params; nothing of what is no object."""
    if raw is None:
        return _NO_PARAMS
    try:
        return _decode_params(raw)
    except msgspec.ValidationError:
        # The params or `_meta` are no objects.
        return _NO_PARAMS
    except _UNREADABLE:
        # Perhaps for a lone surrogate alone.
        return _read_members(raw)


def _read_members(raw: Raw) -> EnvelopeParams:
    try:
        members = params.parse_members(raw)
        meta = params.parse_members(members["_meta"])
    except (InvalidParamsError, KeyError):
        return _NO_PARAMS
    keys = (
        envelope_keys.PROTOCOL_VERSION,
        envelope_keys.CLIENT_CAPABILITIES,
        envelope_keys.CLIENT_INFO,
        envelope_keys.LOG_LEVEL,
    )
    found = Meta(*(meta.get(key, msgspec.UNSET) for key in keys))
    return EnvelopeParams(found, members.get("name", msgspec.UNSET), members.get("uri", msgspec.UNSET))


def read_meta(raw: Raw) -> Meta | None:
    """The envelope in a `_meta`; None where it cannot be read as most can."""
    try:
        return _decode_meta(raw)
    except _UNREADABLE:
        return None


def is_envelope_alone(meta: Raw) -> bool:
    """Whether a `_meta` is the envelope and nothing more."""
    try:
        _decode_whole(meta)
    except _UNREADABLE:
        return False
    return True


def read_text(raw: Raw) -> str | None:
    """A JSON text; None for everything else."""
    try:
        return msgspec.json.decode(raw, type=str)
    except _UNREADABLE:
        return None
