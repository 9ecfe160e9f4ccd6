"""Which keys a change concerns: their own objects, and what their last reconcile depended on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vmcp_operator.plan.kinds import MCP_GROUP, OWN, VMCP, Ref


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to an object; `owner` is the resource that it is a child of, `group` the one it names.

    `version` is the object's resourceVersion after it, empty where that is not known.
    """

    ref: Ref
    owner: Ref | None = None
    group: str | None = None
    version: str = ""


class Dependents:
    """What each key depends on, existing or not, as its last reconcile declared it.

    No index of the cluster's content: it maps names to keys and is rebuilt by reconciling. A change that falls
    between the reads of a reconcile and its declaration is kept and told with the declaration.
    """

    def __init__(self) -> None:
        self._wanted: Final[dict[Ref, frozenset[Ref]]] = {}
        self._keys: Final[dict[Ref, set[Ref]]] = {}
        self._meanwhile: Final[dict[Ref, set[Ref]]] = {}

    def begin(self, key: Ref) -> None:
        """A reconcile of the key starts to read."""
        self._meanwhile[key] = set()

    def declare(self, key: Ref, refs: Iterable[Ref]) -> bool:
        """The reconcile has read; True where one of `refs` changed since it began."""
        self._drop(key)
        wanted = self._wanted[key] = frozenset(refs)
        for ref in wanted:
            self._keys.setdefault(ref, set()).add(key)
        return not wanted.isdisjoint(self._meanwhile.pop(key, set()))

    def forget(self, key: Ref) -> None:
        """The key's resource is gone."""
        self._drop(key)
        self._meanwhile.pop(key, None)

    def keys_of(self, change: Change) -> frozenset[Ref]:
        """The keys to reconcile for a change."""
        group: Ref | None = None
        keys = {change.ref} if change.ref.kind in OWN else set()
        if change.owner is not None:
            keys.add(change.owner)
        if change.group is not None:
            group = Ref(MCP_GROUP, change.ref.namespace, change.group)
            keys.add(group)
        keys |= self._keys.get(change.ref, set())
        for seen in self._meanwhile.values():
            seen.add(change.ref)
        # An endpoint that points to a group changes the group's status; a member changes its endpoints too. The other
        # members ask no more of the group than that it exists.
        if group is not None and change.ref.kind is not VMCP:
            keys |= {key for key in self._keys.get(group, set()) if key.kind is VMCP}
            for key, seen in self._meanwhile.items():
                if key.kind is VMCP:
                    seen.add(group)
        return frozenset(keys)

    def _drop(self, key: Ref) -> None:
        for ref in self._wanted.pop(key, frozenset()):
            keys = self._keys[ref]
            keys.discard(key)
            if not keys:
                del self._keys[ref]
