"""SharedLists that several reconciles need at the same time are read once, and never before anybody asked."""

import asyncio
from typing import Final, TypeAlias

from vmcp_operator.cluster import Cluster
from vmcp_operator.errors import Unavailable
from vmcp_operator.plan.kinds import Kind, Manifest

_Place: TypeAlias = tuple[str, str]
_Items: TypeAlias = tuple[Manifest, ...]


class SharedLists:
    """Joins requests for the list of one kind in one namespace.

    Whoever asks while a list is being read waits for the next one, so that every answer was read after it was asked
    for. The manifests are shared and must not be changed.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster: Final = cluster
        self._locks: Final[dict[_Place, asyncio.Lock]] = {}
        self._next: Final[dict[_Place, asyncio.Future[_Items | None]]] = {}

    async def list(self, kind: Kind, namespace: str) -> _Items:
        """The objects of a kind in a namespace.

        Raises:
            ClusterError: they could not be read.
        """
        place = (kind.name, namespace)
        joined = self._next.get(place)
        if joined is not None:
            items = await asyncio.shield(joined)
            if items is None:
                raise Unavailable(f"{kind} list", 0, "a list that was waited for failed")
            return items
        return await self._lead(kind, namespace, place)

    async def _lead(self, kind: Kind, namespace: str, place: _Place) -> _Items:
        """Reads for all who join until the reading begins."""
        future = self._next[place] = asyncio.get_running_loop().create_future()
        items: _Items | None = None
        try:
            async with self._locks.setdefault(place, asyncio.Lock()):
                del self._next[place]
                items = await self._cluster.list(kind, namespace)
                return items
        finally:
            if self._next.get(place) is future:
                del self._next[place]
            future.set_result(items)
