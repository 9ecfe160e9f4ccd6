"""The bytes that one process keeps of what belongs to single callers: listings, catalogs, pages (ADR-0067)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol, TypeAlias

MOST_BYTES: Final = 96 << 20

_WINDOW: Final = 60.0
_CROWDED_PART: Final = 4
"""Seconds within which more than this part of what may be kept is asked for again before that is told, once in each."""

_MARK: Final = 0
"""Stands in the order of use where its end was at the last look at what is unused; no object has this identity."""

_TEXT_BYTES: Final = 130
"""What a text takes beside its content: its head, and its place here."""


class Weighed(Protocol):
    """Something that is kept; others can refer to it weakly."""

    @property
    def weight(self) -> int:
        """What it takes beside its texts, in bytes."""

    @property
    def texts(self) -> Iterable[bytes]:
        """The texts that it holds, and others perhaps too: the very objects."""


OnCrowded: TypeAlias = Callable[["CatalogBudget"], None]
"""Hears that much of what may be kept is asked for again and again; no more than once in a minute."""


class _Held(NamedTuple):
    """Something that is held by so many; it is counted once."""

    thing: Weighed
    times: int


class CatalogBudget:
    """Keeps things alive, `limit` bytes of all together: those used longest ago give way.

    Nothing else holds them but requests in flight: whoever wants them again refers to them weakly, and makes or asks
    for anew what has gone. What several hold, texts included, counts once. What is larger than all that may be kept is
    not kept, and takes nothing else's place. Used from one event loop only. `used` are the bytes that are kept,
    `dropped` counts what has given way.
    """

    def __init__(
        self,
        limit: int = MOST_BYTES,
        on_crowded: OnCrowded = lambda _budget: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._on_crowded: Final = on_crowded
        self._clock: Final = clock
        self._kept: Final[OrderedDict[int, tuple[Weighed, ...]]] = OrderedDict()
        self._things: Final[dict[int, _Held]] = {}
        self._texts: Final[dict[int, int]] = {}
        self.used = 0
        self.dropped = 0
        self._window = -_WINDOW
        self._again = 0
        self._has_told = False

    def configure(self, limit: int) -> None:
        """Follows another config; what has no room any more goes at once."""
        self.limit = limit
        self._make_room()

    def keep(self, thing: Weighed, *sources: Weighed) -> None:
        """Keeps a thing as the one used last, and for as long those that it was made of: they go together."""
        key = id(thing)
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        before = self.used
        held = (thing, *sources)
        self._hold(held)
        if self.used - before > self.limit:
            self._release(held)
            self.dropped += 1
            return
        self._kept[key] = held
        for source in sources:
            self.forget(source)
        self._make_room()

    def drop_unused(self) -> None:
        """Keeps no more what nobody has used since this was last called."""
        while _MARK in self._kept:
            key, held = self._kept.popitem(last=False)
            self._release(held)
            if key == _MARK:
                break
        self._kept[_MARK] = ()

    def touch(self, thing: Weighed) -> None:
        """Says that a thing is used, where it is kept."""
        if id(thing) in self._kept:
            self._kept.move_to_end(id(thing))

    def forget(self, thing: Weighed) -> None:
        """Keeps a thing no more by itself; what was made of it keeps it for as long."""
        held = self._kept.pop(id(thing), None)
        if held is not None:
            self._release(held)

    def keep_only(self, kind: type[Weighed]) -> None:
        """Keeps nothing but things of one kind, those that others were made of among them."""
        for key, held in list(self._kept.items()):
            if held and not isinstance(held[0], kind):
                del self._kept[key]
                for source in held[1:]:
                    if isinstance(source, kind):
                        self.keep(source)
                self._release(held)

    def wanted_again(self, thing: Weighed) -> None:
        """Hears that something had to be asked for again because it had given way."""
        now = self._clock()
        if now - self._window >= _WINDOW:
            self._window, self._again, self._has_told = now, 0, False
        self._again += thing.weight + sum(map(len, thing.texts))
        if self._again > self.limit // _CROWDED_PART and not self._has_told:
            self._has_told = True
            self._on_crowded(self)

    def _make_room(self) -> None:
        things = len(self._things)
        while self.used > self.limit:
            _, held = self._kept.popitem(last=False)
            self._release(held)
        self.dropped += things - len(self._things)

    def _hold(self, things: Iterable[Weighed]) -> None:
        for thing in things:
            held = self._things.get(id(thing))
            self._things[id(thing)] = _Held(thing, 1 if held is None else held.times + 1)
            if held is None:
                self.used += thing.weight
                for text in thing.texts:
                    times = self._texts.get(id(text), 0)
                    self._texts[id(text)] = times + 1
                    if not times:
                        self.used += len(text) + _TEXT_BYTES

    def _release(self, things: Iterable[Weighed]) -> None:
        for thing in things:
            held = self._things.pop(id(thing))
            if held.times > 1:
                self._things[id(thing)] = _Held(thing, held.times - 1)
                continue
            self.used -= thing.weight
            for text in thing.texts:
                times = self._texts.pop(id(text))
                if times > 1:
                    self._texts[id(text)] = times - 1
                else:
                    self.used -= len(text) + _TEXT_BYTES
