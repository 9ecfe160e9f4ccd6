"""Pods that talk: a `PodMessages` with its store, running, that notes what it handles."""

import asyncio
from collections.abc import Callable
from typing import Self

from tests.proxy.sessions.pods import KEYS, eventually
from vmcp_proxy.pods.messages import PodMessages
from vmcp_proxy.sessions import Keyring, SessionIds, SessionStore

DIGEST = "ab" * 32
KIND = "note"


def anything(_digest: str) -> bool:
    return True


class Talker:
    """One process as far as messages go; `heard` are those of the kind `note`."""

    def __init__(self, store: SessionStore, keyring: Keyring = KEYS, clock: Callable[[], float] | None = None) -> None:
        self.store = store
        self.ids = SessionIds(keyring)
        more = {} if clock is None else {"clock": clock}
        self.messages = PodMessages(store, self.ids, **more)
        self.messages.on(KIND, self.note, anything)
        self.heard: list[tuple[str, bytes]] = []
        self._running: asyncio.Task[None] | None = None

    @property
    def pod(self) -> str:
        return self.messages.pod

    async def note(self, digest: str, body: bytes) -> None:
        self.heard.append((digest, body))

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.messages.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self.store.aclose()

    async def stop(self) -> None:
        """Leave, as a pod that is gone."""
        if self._running is not None:
            self._running.cancel()
            results = await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
            assert isinstance(results[0], asyncio.CancelledError), results[0]

    async def tell(self, other: "Talker", body: bytes, digest: str = DIGEST, kind: str = KIND) -> bool:
        return await self.messages.send(other.pod, kind, digest, body)

    async def reach(self, other: "Talker", seconds: float = 15.0) -> None:
        """Send until the other one accepts: both listen then. It hears `b"hello"` once or more."""
        async with asyncio.timeout(seconds):
            while not await self.tell(other, b"hello"):  # noqa: ASYNC110 - a subscription sets no event of ours
                await asyncio.sleep(0.02)
        await eventually(lambda: (DIGEST, b"hello") in other.heard)
        await asyncio.sleep(0)
        other.heard.clear()
