"""The session keys of a running process: taken over as they are mounted, and signing when it is time (ADR-0068)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from vmcp_proxy.keys.rotation import KeyRotation
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.run.settings import LOGGER
from vmcp_proxy.sessions import Keyring

logger: Final = logging.getLogger(LOGGER)


class SessionKeys:
    """Tells `follow` of each ring, with the key that signs; `run` must be running for keys that sign later."""

    def __init__(self, keyring: Keyring, named: str | None, follow: Callable[[Keyring], None]) -> None:
        self._rotation: Final = KeyRotation(keyring, named)
        self._follow: Final = follow
        self._ring = keyring
        self._named = named
        self._changed: Final = asyncio.Event()

    @property
    def keyring(self) -> Keyring:
        """The ring in force."""
        return self._rotation.keyring

    def take(self, keyring: Keyring, named: str | None) -> None:
        """Takes another ring over, and what the config says of the key that signs."""
        self._ring, self._named = keyring, named
        former = self.keyring
        ring = self._rotation.take(keyring, named, asyncio.get_running_loop().time())
        self._follow(ring)
        self._changed.set()
        if ring.signing_kid != former.signing_kid:
            log_event(logger, logging.INFO, "another session key signs", key=ring.signing_kid, verify=list(ring))

    async def run(self) -> None:
        """Has keys sign once others have had the time to read them, until cancelled."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(self._rotation.due):
                    await self._changed.wait()
            except TimeoutError:
                self.take(self._ring, self._named)
