"""Lists that several reconciles need at the same time are read once, and never before anybody asked."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from vmcp_operator.cluster import Cluster
from vmcp_operator.errors import Rejected, Unavailable
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import Kind, Manifest

_Place: TypeAlias = tuple[Kind, str, str]
_Items: TypeAlias = tuple[Manifest, ...]

_GROUP_FIELD: Final = "spec.groupRef.name"
"""A field by which the API server selects, where the CRDs say so and it is 1.31 or newer."""

_UNSELECTABLE: Final = "field label not supported"
"""How the API server says that it does not select by a field; whatever else it refuses is about this one request."""

ASK_AGAIN_SECONDS: Final = 600.0
"""After which it is tried again: definitions and API servers are upgraded."""

_SPECIAL: Final = re.compile(r"[\\,=]")

logger = logging.getLogger(__name__)


class SharedLists:
    """Joins requests for the list of one kind in one namespace, or of those in it that name one group.

    Whoever asks while a list is being read waits for the next one, so that every answer was read after it was asked
    for. The manifests are shared and must not be changed.
    """

    def __init__(self, cluster: Cluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster: Final = cluster
        self._clock: Final = clock
        self._locks: Final[dict[_Place, asyncio.Lock]] = {}
        self._next: Final[dict[_Place, asyncio.Future[_Items | None]]] = {}
        self._unselectable: Final[dict[Kind, float]] = {}

    @property
    def waiting(self) -> int:
        """Of how many lists something is held: those that are read or waited for."""
        return len(self._locks) + len(self._next)

    async def list(self, kind: Kind, namespace: str, group: str = "") -> _Items:
        """The objects of a kind in a namespace; with a group at least those that name it in `groupRef`.

        Raises:
            ClusterError: they could not be read.
        """
        place = (kind, namespace, group if self._is_selectable(kind) else "")
        joined = self._next.get(place)
        if joined is not None:
            items = await asyncio.shield(joined)
            if items is None:
                raise Unavailable(f"{kind} list", 0, "a list that was waited for failed")
            return items
        return await self._lead(kind, place)

    def _is_selectable(self, kind: Kind) -> bool:
        since = self._unselectable.get(kind)
        return since is None or self._clock() - since >= ASK_AGAIN_SECONDS

    async def _lead(self, kind: Kind, place: _Place) -> _Items:
        """Reads for all who join until the reading begins."""
        future = self._next[place] = asyncio.get_running_loop().create_future()
        lock = self._locks.setdefault(place, asyncio.Lock())
        items: _Items | None = None
        try:
            async with lock:
                del self._next[place]
                items = await self._read(kind, place)
                return items
        finally:
            if self._next.get(place) is future:
                del self._next[place]
            if place not in self._next and not lock.locked():
                # Groups come and go.
                self._locks.pop(place, None)
            future.set_result(items)

    async def _read(self, kind: Kind, place: _Place) -> _Items:
        _, namespace, group = place
        if group:
            try:
                return await self._cluster.list(kind, namespace, fields=f"{_GROUP_FIELD}={_escape(group)}")
            except Rejected as error:
                if _UNSELECTABLE not in error.message:
                    raise
                self._unselectable[kind] = self._clock()
                remedy = "upgrade the chart vmcp-operator-crds and Kubernetes (1.31 or newer); until then all are read"
                log_event(logger, logging.INFO, "not selected by group", error=str(error), remedy=remedy)
        return await self._cluster.list(kind, namespace)


def _escape(value: str) -> str:
    """A value as it stands in a field selector."""
    return _SPECIAL.sub(lambda each: f"\\{each.group()}", value)
