"""What a request's head, once it has been read, costs and may say of itself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from vmcp_proxy.serve.http.bounds import UNCOUNTED_BYTES
from vmcp_proxy.serve.http.refusals import CODING_IN_1_0, NO_HOST, UNKNOWN_CODING, HttpRefusal, no_version

Field: TypeAlias = tuple[bytes, bytes]
"""A name in lower case and a value without blanks around it."""

FIELD_COST: Final = 200
"""Bytes that a header field takes in memory beside its own; 1 024 short ones take 200 KB and come in 4 KB."""

_VERSIONS: Final = ("1.1", "1.0")
_FIELD_BYTES: Final = len(b": \r\n")


def size_of_head(url: bytes, fields: Iterable[Field]) -> int:
    """The bytes that a head took on the way, but for its method and version."""
    return len(url) + sum(len(name) + len(value) + _FIELD_BYTES for name, value in fields)


def fault_of(version: str, named: Mapping[bytes, bytes], fields: Iterable[Field]) -> HttpRefusal | None:
    """Why a request is refused for its version or its framing (RFC 9112 sections 2.3, 3.2 and 6.1), if it is.

    `named` has one value of each of the `fields`.
    """
    if version not in _VERSIONS:
        return no_version(version)
    if b"host" not in named and version == "1.1":
        return NO_HOST
    if b"transfer-encoding" not in named:
        return None
    if version == "1.0":
        return CODING_IN_1_0
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    return None if codings == [b"chunked"] else UNKNOWN_CODING


def without_upgrade(method: bytes, url: bytes, version: str, fields: Iterable[Field]) -> bytes:
    """The text of a head without its wish for another protocol (RFC 9110 section 7.8)."""
    lines = []
    for name, value in fields:
        if name == b"connection":
            options = [each for each in value.split(b",") if each.strip().lower() != b"upgrade"]
            lines.append(b"%b: %b\r\n" % (name, b",".join(options)))
        elif name != b"upgrade":
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, url, version.encode(), b"".join(lines))


def shortened(fields: Sequence[Field]) -> list[Field]:
    """The fields that fit into what is free for each request, in order; the longest are left out."""
    kept, left = set(), UNCOUNTED_BYTES
    for place in sorted(range(len(fields)), key=lambda at: len(fields[at][0]) + len(fields[at][1])):
        left -= len(fields[place][0]) + len(fields[place][1]) + FIELD_COST
        if left < 0:
            break
        kept.add(place)
    return [field for place, field in enumerate(fields) if place in kept]
