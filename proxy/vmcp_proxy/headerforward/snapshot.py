"""The snapshot of a client's passthrough headers and the allow-list that captures it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from vmcp_api.headers import canonical_name, check_passthrough_name, is_restricted, is_token, is_valid_value


def is_sendable(value: bytes) -> bool:
    """Whether bytes can stand as a field value: no line break, no control character but the tab."""
    return is_valid_value(value.decode("latin-1"))


Pairs: TypeAlias = tuple[tuple[str, bytes], ...]

_RELAYED: Final = b"\xff\xff\xff\xff"
"""Parts the two halves of the canonical bytes: no field is as long as this, read as a length."""


class HeaderSnapshot:
    """Header names and values as captured once from a client: immutable, ordered by name, never shown.

    Names are canonical (`X-Api-Key`) and unique (the first value counts); values are the client's bytes. `repr` and
    `str` tell only how many there are, so that no log or traceback can hold a credential.

    What goes to every backend are its items. Apart from them it holds what is relayed: each of these goes to the
    backends whose own setting names it, and iteration, length and `items` do not know of it (ADR-0040). `audiences`
    are those of the token that came with what is relayed; `None` where there was no token, or nothing is relayed.
    """

    __slots__ = ("_items", "_relayed", "audiences")

    def __init__(
        self,
        items: Iterable[tuple[str, bytes]] = (),
        relayed: Iterable[tuple[str, bytes]] = (),
        audiences: frozenset[str] | None = None,
    ) -> None:
        self._items: Final = _first_of_each(items)
        self._relayed: Final = _first_of_each(relayed)
        self.audiences: Final = audiences if self._relayed else None

    def items(self) -> Pairs:
        """The captured pairs that go to every backend, sorted by name."""
        return self._items

    def relayed(self, names: Collection[str]) -> Pairs:
        """The captured pairs with these canonical names, which a backend's own setting asks for, sorted by name."""
        return tuple(pair for pair in self._relayed if pair[0] in names)

    def narrowed(self, names: Collection[str]) -> "HeaderSnapshot":
        """What concerns a backend that is relayed these names: equal for clients that it cannot tell apart."""
        relayed = self.relayed(names)
        return self if relayed == self._relayed else HeaderSnapshot(self._items, relayed, self.audiences)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, HeaderSnapshot) and self._all == other._all)

    def __hash__(self) -> int:
        return hash(self._all)

    @property
    def _all(self) -> tuple[object, ...]:
        return self._items, self._relayed, self.audiences

    def __repr__(self) -> str:
        relayed = f", {len(self._relayed)} relayed" if self._relayed else ""
        return f"HeaderSnapshot({len(self._items)} headers{relayed})"

    @property
    def is_empty(self) -> bool:
        """Whether nothing was captured, for all backends or for some."""
        return not self._items and not self._relayed

    def values(self) -> tuple[bytes, ...]:
        """Every value, of what goes to all backends and of what is relayed to some: for a search, never to be shown."""
        return tuple(value for _, value in (*self._items, *self._relayed))

    def canonical_bytes(self) -> bytes:
        """One unambiguous byte string of all pairs, fields prefixed with their length, for keyed digests.

        The audiences are no part of it: a refreshed token is no other header.
        """
        relayed = (_RELAYED, *_with_lengths(self._relayed)) if self._relayed else ()
        return b"".join((*_with_lengths(self._items), *relayed))


def _first_of_each(pairs: Iterable[tuple[str, bytes]]) -> Pairs:
    first: dict[str, bytes] = {}
    for name, value in pairs:
        first.setdefault(name, bytes(value))
    return tuple(sorted(first.items()))


def _with_lengths(pairs: Pairs) -> Iterator[bytes]:
    for name, value in pairs:
        raw = name.encode()
        yield from (len(raw).to_bytes(4, "big"), raw, len(value).to_bytes(4, "big"), value)


EMPTY_SNAPSHOT: Final = HeaderSnapshot()


Names: TypeAlias = tuple[tuple[bytes, str], ...]
"""Header names as (lower case, canonical) pairs."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """The names of client headers that may be captured: for every backend, and for those alone that ask for them."""

    names: Names
    relayed: Names = ()

    @classmethod
    def of(cls, names: Iterable[str], relayed: Iterable[str] = ()) -> Self:
        """The allow-list of configured names in any case; what may not be forwarded is dropped (ADR-0016, ADR-0040)."""
        return cls(
            _pairs(name for name in names if check_passthrough_name(name) is None),
            _pairs(name for name in relayed if is_token(name) and not is_restricted(name)),
        )

    def capture(
        self, headers: Iterable[tuple[bytes, bytes]], audiences: frozenset[str] | None = None
    ) -> HeaderSnapshot:
        """A snapshot of the allowed headers of one request; `headers` has lower-case names as in ASGI.

        The first value of a name counts; absent, empty and malformed values are not captured. `audiences` are those
        of the token that let the request in.
        """
        if not self.names and not self.relayed:
            return EMPTY_SNAPSHOT
        first: dict[bytes, bytes] = {}
        for name, value in headers:
            first.setdefault(name.lower(), value)
        return HeaderSnapshot(_captured(self.names, first), _captured(self.relayed, first), audiences)


def _pairs(names: Iterable[str]) -> Names:
    return tuple((name.lower().encode(), name) for name in dict.fromkeys(map(canonical_name, names)))


def _captured(names: Names, first: Mapping[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
    for lower, canonical in names:
        value = first.get(lower, b"").strip()
        if value and is_sendable(value):
            yield canonical, value
