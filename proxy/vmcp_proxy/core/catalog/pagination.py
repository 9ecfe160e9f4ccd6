"""Our own pages: a catalog's lists as result bytes, with opaque stateless cursors."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

import msgspec

from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.kinds import WIRE, Kind

PAGE_SIZE: Final = 1_000
MAX_CURSOR_LENGTH: Final = 32_768
"""In characters; room for the longest URI (4 096 characters, four bytes each, in base64)."""

OUTCOMES_KEY: Final = "vmcp.dev/serverOutcomes"
"""Member of the result's `_meta` that names the backends whose entries may be missing."""

_MARKS: Final = {Kind.TOOL: b"1t", Kind.RESOURCE: b"1r", Kind.TEMPLATE: b"1u", Kind.PROMPT: b"1p"}
_encode: Final = msgspec.json.Encoder().encode


Fit: TypeAlias = Callable[[Kind, bytes], bytes]
"""An entry's JSON as the clients of an era can read it."""


class BadCursor(msgspec.Struct, frozen=True, gc=False):
    """A cursor that is none of ours for this list."""

    reason: str


def encode_cursor(kind: Kind, exposed: str) -> str:
    """The cursor of the page after this entry, whether or not it still exists then."""
    return urlsafe_b64encode(_MARKS[kind] + exposed.encode()).rstrip(b"=").decode()


def parse_cursor(kind: Kind, cursor: str) -> str | BadCursor:
    """The exposed name that a cursor of this kind stands for."""
    if not 0 < len(cursor) <= MAX_CURSOR_LENGTH:
        return BadCursor("The cursor is empty or too long.")
    try:
        data = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        exposed = data.removeprefix(_MARKS[kind]).decode()
    except (ValueError, binascii.Error):
        return BadCursor("The cursor is not one of this server.")
    # The decoder skips what is not base64: only what we would write ourselves is ours.
    if not data.startswith(_MARKS[kind]) or not exposed or encode_cursor(kind, exposed) != cursor:
        return BadCursor("The cursor is not one of this list.")
    return exposed


def encode_page(catalog: Catalog, kind: Kind, cursor: str | None, page_size: int = PAGE_SIZE) -> bytes | BadCursor:
    """The `result` object of a list request as JSON; a cursor of None is the first page.

    It starts with the list's own member, so that further members can be put in after its first byte. A cursor
    behind the last entry yields an empty page.
    """
    start = _start_of(catalog, kind, cursor)
    return start if isinstance(start, BadCursor) else _encode_from(catalog, kind, start, page_size, None)


class _Page:
    """A page as it is kept."""

    __slots__ = ("__weakref__", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw: Final = raw

    weight: Final = 200

    @property
    def texts(self) -> Iterable[bytes]:
        """See `Weighed.texts`."""
        return (self.raw,)


class ListEncoder:
    """Encodes each page once per catalog version, for as long as the budget keeps the bytes.

    It is for the clients of one era, whose `fit` is asked once for each entry of a page; without one entries are as
    the catalog has them. Only pages that start where a reader of the whole list would start one are kept, so that
    made-up cursors push nothing out.
    """

    def __init__(
        self, page_size: int = PAGE_SIZE, budget: CatalogBudget | None = None, *, fit: Fit | None = None
    ) -> None:
        self._page_size = page_size
        self._fit = fit
        self._budget: Final = CatalogBudget() if budget is None else budget
        self._pages: Final[WeakValueDictionary[tuple[str, Kind, int], _Page]] = WeakValueDictionary()

    def encode(self, catalog: Catalog, kind: Kind, cursor: str | None) -> bytes | BadCursor:
        """The same bytes as `encode_page`, but for what the clients cannot read."""
        start = _start_of(catalog, kind, cursor)
        if isinstance(start, BadCursor):
            return start
        key = (catalog.version, kind, start)
        page = self._pages.get(key)
        if page is not None:
            self._budget.touch(page)
            return page.raw
        page = _Page(_encode_from(catalog, kind, start, self._page_size, self._fit))
        if start % self._page_size == 0:
            self._pages[key] = page
            self._budget.keep(page)
        return page.raw


def _start_of(catalog: Catalog, kind: Kind, cursor: str | None) -> int | BadCursor:
    if cursor is None:
        return 0
    after = parse_cursor(kind, cursor)
    if isinstance(after, BadCursor):
        return after
    return bisect_right(catalog.of(kind), after, key=_exposed)


def _exposed(capability: Capability) -> str:
    return capability.exposed


def _encode_from(catalog: Catalog, kind: Kind, start: int, page_size: int, fit: Fit | None) -> bytes:
    entries = catalog.of(kind)
    page = entries[start : start + page_size]
    texts = [entry.raw if fit is None else fit(kind, entry.raw) for entry in page]
    parts = [b'{"%b":[' % WIRE[kind].result_key.encode(), b",".join(texts), b"]"]
    if start + page_size < len(entries):
        parts += (b',"nextCursor":', _encode(encode_cursor(kind, page[-1].exposed)))
    missing = catalog.missing
    if missing:
        parts += (b',"_meta":', _encode({OUTCOMES_KEY: missing}))
    parts.append(b"}")
    return b"".join(parts)
