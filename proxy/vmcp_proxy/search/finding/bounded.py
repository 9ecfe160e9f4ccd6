"""Values that are kept as long as there is room, by what they weigh."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, Protocol, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class _Weighed(Protocol):
    @property
    def weight(self) -> int: ...


ValueT = TypeVar("ValueT", bound=_Weighed)


class Bounded(Generic[KeyT, ValueT]):
    """Values by key, `most` weight of all together: those asked for longest ago give way, but for the latest one."""

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._kept: Final[OrderedDict[KeyT, ValueT]] = OrderedDict()
        self.weight = 0
        """Of all that are kept."""

    def find(self, key: KeyT) -> ValueT | None:
        """The value, where it is kept."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def keep(self, key: KeyT, value: ValueT) -> None:
        """Keeps a value, and gives others up for it."""
        if (former := self._kept.pop(key, None)) is not None:
            self.weight -= former.weight
        self._kept[key] = value
        self.weight += value.weight
        while self.weight > self._most and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self.weight -= gone.weight
