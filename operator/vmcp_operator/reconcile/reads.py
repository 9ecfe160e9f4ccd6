"""Reads for one reconcile, each noted before it is made: what was read is what the key depends on."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.shared_lists import SharedLists
from vmcp_operator.errors import ClusterError
from vmcp_operator.plan.controller import Read, Selection
from vmcp_operator.plan.controllers import controller_of
from vmcp_operator.plan.kinds import LIFECYCLE, LIFECYCLE_SERVER, MCP_GROUP, Kind, Manifest, Ref, ref_of
from vmcp_operator.plan.objects.naming import selector_text

_LASTING: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR})
"""A right is missing, or the conversion of a kind fails: asking again soon does not help."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A server of another operator of which it cannot be told whether it is there, and why."""

    ref: Ref
    why: str


class Reader:
    """Reads from the API server, always fresh, and adds to `noted` what it read, there or not.

    Kinds of the MCP Lifecycle Operator count as absent where this one does not look at them and has no right to.
    All of its methods raise `ClusterError` where the API server could not be read.
    """

    def __init__(self, cluster: Cluster, lists: SharedLists, noted: set[Read], *, lifecycle: bool) -> None:
        self._cluster: Final = cluster
        self._lists: Final = lists
        self._noted: Final = noted
        self._lifecycle: Final = lifecycle

    async def get(self, ref: Ref) -> Manifest | None:
        """One object."""
        self._noted.add(ref)
        if ref.kind in LIFECYCLE and not self._lifecycle:
            return None
        return await self._cluster.get(ref)

    async def read(self, what: Read) -> tuple[Manifest, ...] | Unread:
        """One object, or those of a selection; the manifests are shared and must not be changed."""
        if isinstance(what, Ref) and what.kind == LIFECYCLE_SERVER:
            return await self._read_server(what)
        if isinstance(what, Ref):
            live = await self.get(what)
            return () if live is None else (live,)
        self._noted.add(what)
        points_to = controller_of(what.kind).points_to
        group = what.to.name if what.to.kind == MCP_GROUP else ""
        listed = await self._lists.list(what.kind, what.to.namespace, group)
        selected = tuple(each for each in listed if what.to in points_to(each))
        # One that leaves points elsewhere by then.
        self._noted.update(map(ref_of, selected))
        return selected

    async def _read_server(self, ref: Ref) -> tuple[Manifest, ...] | Unread:
        """One that is amiss keeps nobody from the others; a version that is served no more is no deletion."""
        try:
            live = await self.get(ref)
            if live is None and self._lifecycle and await self._cluster.missing((ref.kind,)):
                return Unread(ref, f"the cluster does not serve {ref.kind.plural} of {ref.kind.api_version}")
        except ClusterError as error:
            if error.status not in _LASTING:
                raise
            return Unread(ref, f"it cannot be read: {error.message} (HTTP {error.status})")
        return () if live is None else (live,)

    async def owned(self, kind: Kind, key: Ref) -> tuple[Manifest, ...]:
        """The objects of a kind that carry the labels of a resource."""
        self._noted.add(Selection(kind, key))
        return await self._cluster.list(kind, key.namespace, selector_text(key))
