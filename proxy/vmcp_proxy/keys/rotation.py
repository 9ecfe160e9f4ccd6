"""Which key of a ring signs while the ring changes: one that others have had the time to read (ADR-0068)."""

import math
from typing import Final

from vmcp_api.session_keys import rank
from vmcp_proxy.keys.keyring import Keyring

SPREAD_SECONDS: Final = 120.0
"""How long a new key only verifies where nobody says which one signs: a kubelet's refresh of mounted Secrets, twice."""


class KeyRotation:
    """Follows the rings that a process is given one after the other.

    `keyring` is the one in force, with the key that signs; `due` is when another key of it will sign unless it is
    given another ring before, in seconds of the clock that `take` is told, and None where that needs more than time.
    """

    __slots__ = ("_known", "due", "keyring")

    def __init__(self, keyring: Keyring, named: str | None = None) -> None:
        # What is there at the start may have been there for long; nobody can tell.
        self._known: dict[str, float] = dict.fromkeys(keyring, -math.inf)
        self.keyring: Keyring = keyring if named is None or named not in keyring else keyring.signed_by(named)
        self.due: float | None = None

    def take(self, keyring: Keyring, named: str | None, now: float) -> Keyring:
        """The ring with the key that signs: the one that is named, or else the highest that is known for long enough.

        A ring that has nothing in common with the former one begins anew, as at the start.
        """
        kept = {kid: since for kid, since in self._known.items() if self.keyring.has_same_key(kid, keyring)}
        self._known = {kid: kept.get(kid, now if kept else -math.inf) for kid in keyring}
        self.due = None
        if named is not None and named in keyring:
            self.keyring = keyring.signed_by(named)
            return self.keyring
        ripe = [kid for kid, since in self._known.items() if now - since >= SPREAD_SECONDS]
        # Of nothing but new ones, as where the former key was taken away too soon, any other pod may have the highest.
        signing = max(ripe or self._known, key=rank)
        later = (since for kid, since in self._known.items() if rank(kid) > rank(signing))
        self.due = min((since + SPREAD_SECONDS for since in later), default=None)
        self.keyring = keyring.signed_by(signing)
        return self.keyring
