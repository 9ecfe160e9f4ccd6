"""What callers share of something finite: decided without I/O."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vmcp_proxy.core.virtual import Caller


class Shares:
    """Something finite that callers share: none holds more than it leaves free, and none more than `most`.

    Thus there is something left for whoever comes next, however many have come before; a fixed part for each would be
    used up by a few of them.
    """

    def __init__(self, total: int, most: int) -> None:
        self.left = total
        self._most: Final = most
        self._held: Final[dict[Hashable, int]] = {}

    def room(self, holder: Hashable) -> int:
        """How much more this one may hold."""
        held = self._held.get(holder, 0)
        own, fair = self._most - held, (self.left - held + 1) // 2
        room = min(fair, own)
        return max(0, room)

    def take(self, holder: Hashable, size: int) -> None:
        """Holds so much more; less, if it is negative."""
        self.left -= size
        held = self._held.get(holder, 0) + size
        if held:
            self._held[holder] = held
        else:
            self._held.pop(holder, None)


def identity_of(caller: "Caller") -> Hashable:
    """The identity, whichever client it calls through; anonymous callers are all one."""
    return caller.identity.issuer, caller.identity.subject


def holder_of(caller: "Caller") -> Hashable:
    """The identity; of anonymous callers, who are all one, each client by itself."""
    identity = caller.identity
    # Whoever holds something holds the client for as long, so that no other one has its id.
    return identity.issuer, id(caller.client.itself) if identity.is_anonymous else identity.subject
