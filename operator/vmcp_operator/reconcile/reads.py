"""Reads for one reconcile, each noted before it is made: what was read is what the key depends on."""

from typing import Final

from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.shared_lists import SharedLists
from vmcp_operator.plan.controller import Read, Selection
from vmcp_operator.plan.controllers import controller_of
from vmcp_operator.plan.kinds import LIFECYCLE, MCP_GROUP, Kind, Manifest, Ref, ref_of
from vmcp_operator.plan.objects.naming import selector_text


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

    async def read(self, what: Read) -> tuple[Manifest, ...]:
        """One object, or those of a selection; the manifests are shared and must not be changed."""
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

    async def owned(self, kind: Kind, key: Ref) -> tuple[Manifest, ...]:
        """The objects of a kind that carry the labels of a resource."""
        self._noted.add(Selection(kind, key))
        return await self._cluster.list(kind, key.namespace, selector_text(key))
