"""The API server as one who may have lost the Lease sees it: reads pass, writes only while it leads."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from vmcp_operator.cluster import Cluster
from vmcp_operator.errors import NotLeading
from vmcp_operator.plan.kinds import Manifest, Ref, ref_of


class Fenced:
    """A `Cluster` whose writes ask `may_write` first.

    The work of a former leader is cancelled when its time is over. This holds where the process stood still meanwhile
    and wakes up in the middle of a reconcile, before anything was cancelled. Who gives the Lease back waits for
    `settled`: a write that has no answer yet may be done at any time.
    """

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool]) -> None:
        self._cluster: Final = cluster
        self._may_write: Final = may_write
        self._under_way = 0
        self._answered: Final = asyncio.Event()
        self.get: Final = cluster.get
        self.list: Final = cluster.list
        self.missing: Final = cluster.missing
        self.peek: Final = cluster.peek

    async def create(self, manifest: Manifest) -> bool:
        """See `Cluster`."""
        with self._writing(ref_of(manifest)):
            return await self._cluster.create(manifest)

    async def apply(self, manifest: Manifest) -> Manifest:
        """See `Cluster`."""
        with self._writing(ref_of(manifest)):
            return await self._cluster.apply(manifest)

    async def apply_status(self, manifest: Manifest) -> Manifest | None:
        """See `Cluster`."""
        with self._writing(ref_of(manifest)):
            return await self._cluster.apply_status(manifest)

    async def annotate(self, ref: Ref, annotations: dict[str, str]) -> bool:
        """See `Cluster`."""
        with self._writing(ref):
            return await self._cluster.annotate(ref, annotations)

    async def delete(self, ref: Ref, uid: str) -> None:
        """See `Cluster`."""
        with self._writing(ref):
            await self._cluster.delete(ref, uid)

    async def settled(self) -> None:
        """Returns once no write is under way; no other one begins meanwhile where `may_write` says no."""
        while self._under_way:
            self._answered.clear()
            await self._answered.wait()

    @contextmanager
    def _writing(self, ref: Ref) -> Iterator[None]:
        if not self._may_write():
            raise NotLeading(str(ref), 0, "not written, as this operator does not lead any more")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._answered.set()
