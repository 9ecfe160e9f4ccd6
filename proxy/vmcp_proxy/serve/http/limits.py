"""What one connection may send, and how long it may take (ADR-0028)."""

from typing import Final

MAX_HEAD_BYTES: Final = 65_536
"""Largest request line with headers; the parser itself would buffer any size."""

HEAD_SECONDS: Final = 30.0
"""How long a request's head may take, and how long a new connection may stay silent."""

BODY_SECONDS: Final = 60.0
"""How long a request's body may take from the end of its head on, while it is read."""

MAX_FRAMING_BYTES: Final = 16_384
"""Bytes of a chunked message that are no body: trailers, extensions, sizes of chunks beyond 12 bytes for each.

However long the body is: the parser takes time that grows with the square of one field's length.
"""

MOST_FIELDS: Final = 1024
"""Header fields of a request: one of four bytes takes more than a hundred in memory."""

MOST_AHEAD_BYTES: Final = 512 << 10
"""Bytes of further requests that are kept while one request waits for the one before; reading stops long before."""

STALL_SECONDS: Final = 120.0
"""How long a client may read nothing of an answer that waits for it."""
