"""Envelopes that come again: a client says the same of itself with each of its requests (MCP 2026-07-28, ADR-0059)."""

from typing import Final

import msgspec

from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.modern.envelope import NAMED_BY, Envelope, Meta, is_envelope_alone, read_meta
from vmcp_proxy.protocol.params import Members, parse_members

_MOST_KEPT: Final = 1024


class Repeated:
    """What was found of one modern request that is as it must be, for those that come with the very same head.

    All that classification reads besides the head is compared byte for byte, so that the verdict is the same; what is
    longer than `_MOST_KEPT` is not kept. It holds no header value.

    A `_meta` of the envelope alone is known as it is written, and is not read again.
    """

    __slots__ = ("_alone", "_envelope", "_meta", "_method", "_named", "_named_by", "_read", "_shortest")

    def __init__(self) -> None:
        self._method = ""
        self._named_by = ""
        self._named: msgspec.Raw | None = None
        self._read: Meta | None = None
        self._envelope: Envelope | None = None
        self._meta: msgspec.Raw | None = None
        self._alone: Envelope | None = None
        self._shortest = 0

    def envelope(self, method: str, members: Members) -> Envelope | None:
        """The envelope of a request of this method with these params, if they say the same as those of the one before.

        None says that the request has to be judged.
        """
        meta = members.get("_meta")
        if meta is None or self._method != method or members.get(self._named_by) != self._named:
            return None
        if meta == self._meta:
            return self._alone
        # More stands in it than the envelope, as a progress token, or it is written otherwise.
        read = read_meta(meta)
        if read is None or read != self._read:
            return None
        if self._meta is None:
            self._note_alone(meta)
        return self._envelope

    def keep(self, message: Request, read: Meta, envelope: Envelope) -> None:
        """Takes a request that is as it must be, with what its `_meta` says, in the place of the one before."""
        members, named_by = parse_members(message.params), NAMED_BY.get(message.method, "")
        named = members.get(named_by)
        parts = (read.version, read.capabilities, read.info, read.level)
        kept = [part for part in (*parts, named) if isinstance(part, msgspec.Raw)]
        if sum(len(memoryview(part)) for part in kept) > _MOST_KEPT:
            return
        # Copies: a part of a body would keep the whole of it.
        self._read = Meta(*(part if part is msgspec.UNSET else part.copy() for part in parts))
        self._named = None if named is None else named.copy()
        self._method, self._named_by, self._envelope = message.method, named_by, envelope
        self._meta, self._shortest = None, _MOST_KEPT
        self._note_alone(members["_meta"])

    def _note_alone(self, meta: msgspec.Raw) -> None:
        # One with more in it is mostly followed by others like it: only a shorter one is read for that.
        size = len(memoryview(meta))
        if size >= self._shortest or self._envelope is None:
            return
        if not is_envelope_alone(meta):
            self._shortest = size
            return
        self._meta = meta.copy()
        self._alone = msgspec.structs.replace(self._envelope, is_all=True)
