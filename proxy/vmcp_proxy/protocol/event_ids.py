"""Ids of events towards clients: which stream of which pod, and how far (MCP 2025-11-25, Resumability and Redelivery).

`<pod>.<stream>.<sequence>` on a session's own stream, `<pod>.<stream>.<request>.<sequence>` on the stream of one
answer. The request's id stands there so that a pod that has lost the answer can say so to whoever waits for it.
Behind the last event of such a stream stands `.end`: any pod knows then that nothing follows.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

import msgspec

MAX_REQUEST_BYTES: Final = 128
"""A request with a longer id gets a stream without event ids: they would outgrow what clients send back in a header."""

_SHAPE: Final = re.compile(
    rb"([0-9a-f]{1,32})\.([0-9a-f]{1,16})\.(?:([0-9A-Za-z_-]{1,172})\.)?([0-9a-f]{1,16})(\.end)?"
)
_decode_text: Final = msgspec.json.Decoder(str).decode


@dataclass(frozen=True, slots=True)
class EventId:
    """Where a client stands; `request` is the JSON text of the request's id on the stream of an answer.

    With `is_end` the client has had the last event of that stream.
    """

    pod: bytes
    stream: int
    sequence: int
    request: bytes | None = None
    is_end: bool = False


def encode_prefix(pod: bytes, stream: int, request: bytes | None = None) -> bytes:
    """What all ids of a stream begin with; the sequence follows in hex."""
    if request is None:
        return b"%b.%x." % (pod, stream)
    return b"%b.%x.%b." % (pod, stream, base64.urlsafe_b64encode(request).rstrip(b"="))


def encode_end(event_id: bytes) -> bytes:
    """The id of the last event of an answer's stream, from the id that it would have elsewhere in the stream."""
    return event_id + b".end"


def parse_event_id(raw: bytes | None) -> EventId | None:
    """The parts of a `Last-Event-ID`; None for anything that no pod of this product has sent."""
    match = None if raw is None else _SHAPE.fullmatch(raw)
    if match is None:
        return None
    pod, stream, encoded, sequence, end = match.groups()
    request = None
    if encoded is not None and (request := _request_of(encoded)) is None:
        return None
    if end is not None and request is None:
        return None
    return EventId(pod, int(stream, 16), int(sequence, 16), request, end is not None)


def _request_of(encoded: bytes) -> bytes | None:
    """The JSON text of an id: it goes back to the client as it is, so it has to be one."""
    try:
        raw = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        if not raw.removeprefix(b"-").isdigit():
            _decode_text(raw)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return raw
