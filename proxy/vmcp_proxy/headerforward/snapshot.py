"""The snapshot of a client's passthrough headers and the allow-list that captures it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from vmcp_api.headers import canonical_name, check_passthrough_name, is_valid_value


def is_sendable(value: bytes) -> bool:
    """Whether bytes can stand as a field value: no line break, no control character but the tab."""
    return is_valid_value(value.decode("latin-1"))


class HeaderSnapshot:
    """Header names and values as captured once from a client: immutable, ordered by name, never shown.

    Names are canonical (`X-Api-Key`) and unique (the first value counts); values are the client's bytes. `repr` and
    `str` tell only how many there are, so that no log or traceback can hold a credential.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, bytes]] = ()) -> None:
        first: dict[str, bytes] = {}
        for name, value in items:
            first.setdefault(name, bytes(value))
        self._items: Final = tuple(sorted(first.items()))

    def items(self) -> tuple[tuple[str, bytes], ...]:
        """The captured pairs, sorted by name."""
        return self._items

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeaderSnapshot) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"HeaderSnapshot({len(self._items)} headers)"

    def canonical_bytes(self) -> bytes:
        """One unambiguous byte string of all pairs, fields prefixed with their length, for keyed digests."""
        parts: list[bytes] = []
        for name, value in self._items:
            raw = name.encode()
            parts += (len(raw).to_bytes(4, "big"), raw, len(value).to_bytes(4, "big"), value)
        return b"".join(parts)


EMPTY_SNAPSHOT: Final = HeaderSnapshot()


@dataclass(frozen=True, slots=True)
class AllowList:
    """The names of client headers that may be captured, as (lower case, canonical) pairs."""

    names: tuple[tuple[bytes, str], ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """The allow-list of configured names in any case; what may not be forwarded is dropped (ADR-0016)."""
        allowed = {canonical_name(name): None for name in names if check_passthrough_name(name) is None}
        return cls(tuple((name.lower().encode(), name) for name in allowed))

    def capture(self, headers: Iterable[tuple[bytes, bytes]]) -> HeaderSnapshot:
        """A snapshot of the allowed headers of one request; `headers` has lower-case names as in ASGI.

        The first value of a name counts; absent, empty and malformed values are not captured.
        """
        if not self.names:
            return EMPTY_SNAPSHOT
        first: dict[bytes, bytes] = {}
        for name, value in headers:
            first.setdefault(name.lower(), value)
        return HeaderSnapshot(
            (canonical, value)
            for lower, canonical in self.names
            if (value := first.get(lower, b"").strip()) and is_sendable(value)
        )
