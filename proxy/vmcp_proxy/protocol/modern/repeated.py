"""Envelopes that come again: a client says the same of itself with each of its requests (MCP 2026-07-28, ADR-0059)."""

from typing import Final

import msgspec

from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.modern.envelope import NAMED_BY, Envelope, EnvelopeParams, Meta, is_envelope_alone
from vmcp_proxy.protocol.params import Members, parse_members

_MOST_KEPT: Final = 1024


class Repeated:
    """What was found of one modern request that is as it must be, for those that come with the very same head.

    All that classification reads besides the head is compared byte for byte, so that the verdict is the same; what is
    longer than `_MOST_KEPT` is not kept. It holds no header value.

    A `_meta` of the envelope alone is known as it is written, and is not read again.
    """

    __slots__ = ("_envelope", "_meta", "_method", "_named", "_named_by", "_params", "_shortest", "_whole")

    def __init__(self) -> None:
        self._method = ""
        self._params: EnvelopeParams | None = None
        self._envelope: Envelope | None = None
        self._named_by = ""
        self._named: msgspec.Raw | None = None
        self._meta: msgspec.Raw | None = None
        self._whole: Envelope | None = None
        self._shortest = 0

    def as_written(self, method: str, members: Members) -> Envelope | None:
        """The envelope of a request of this method with these params, if they are written as those of the one before.

        None too where more than the envelope stands in `_meta`.
        """
        if self._meta is None or members.get("_meta") != self._meta or self._method != method:
            return None
        return self._whole if members.get(self._named_by) == self._named else None

    def envelope_for(self, message: Request, params: EnvelopeParams) -> Envelope | None:
        """The envelope of a request whose params say the same as those of the one before."""
        if self._params != params or self._method != message.method:
            return None
        if self._meta is None:
            self._note_whole(message)
        return self._envelope

    def keep(self, message: Request, params: EnvelopeParams, envelope: Envelope) -> None:
        """Takes a request that is as it must be in the place of the one before."""
        meta = params.meta
        parts = (meta.version, meta.capabilities, meta.info, meta.level, params.name, params.uri)
        if sum(len(memoryview(part)) for part in parts if part is not msgspec.UNSET) > _MOST_KEPT:
            return
        # Copies: a part of a body would keep the whole of it.
        version, capabilities, info, level, name, uri = (_copied(part) for part in parts)
        self._params = EnvelopeParams(Meta(version, capabilities, info, level), name, uri)
        self._method, self._envelope = message.method, envelope
        self._meta, self._shortest = None, _MOST_KEPT
        self._note_whole(message)

    def _note_whole(self, message: Request) -> None:
        members = parse_members(message.params)
        meta = members["_meta"]
        # One with more in it, as a progress token, is mostly followed by others like it: only a shorter one is read.
        size = len(memoryview(meta))
        if size >= self._shortest or self._envelope is None:
            return
        if not is_envelope_alone(meta):
            self._shortest = size
            return
        self._named_by = NAMED_BY.get(self._method, "")
        named = members.get(self._named_by)
        self._named = None if named is None else named.copy()
        self._meta = meta.copy()
        self._whole = msgspec.structs.replace(self._envelope, is_all=True)


def _copied(raw: msgspec.Raw | msgspec.UnsetType) -> msgspec.Raw | msgspec.UnsetType:
    return raw if raw is msgspec.UNSET else raw.copy()
