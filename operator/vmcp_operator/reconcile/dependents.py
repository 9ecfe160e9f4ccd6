"""Which keys a change concerns: their own objects, what they own, and what their last reconcile read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vmcp_operator.plan.controller import Read, Selection
from vmcp_operator.plan.kinds import RECONCILED, Ref


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to an object; `owner` is the resource that it is a child of, `points_to` what it names.

    `version` is the object's resourceVersion after it, empty where that is not known.
    """

    ref: Ref
    owner: Ref | None = None
    points_to: tuple[Ref, ...] = ()
    version: str = ""

    @property
    def reads(self) -> frozenset[Read]:
        """The reads that would answer otherwise after it."""
        targets = self.points_to if self.owner is None else (*self.points_to, self.owner)
        return frozenset({self.ref, *(Selection(self.ref.kind, to) for to in targets)})


class Dependents:
    """What each key depends on, existing or not, as its last reconcile read it.

    No index of the cluster's content: it maps names to keys and is rebuilt by reconciling. A change that falls
    between the reads of a reconcile and their declaration is kept and told with the declaration.
    """

    def __init__(self) -> None:
        self._reads: Final[dict[Ref, frozenset[Read]]] = {}
        self._keys: Final[dict[Read, set[Ref]]] = {}
        self._meanwhile: Final[dict[Ref, set[Read]]] = {}

    def begin(self, key: Ref) -> None:
        """A reconcile of the key starts to read."""
        self._meanwhile[key] = set()

    def declare(self, key: Ref, reads: Iterable[Read]) -> bool:
        """The reconcile has read; True where something of it, other than the resource itself, changed since."""
        self._drop(key)
        self._add(key, frozenset(reads) - {key})
        return not self._reads[key].isdisjoint(self._meanwhile.pop(key, set()))

    def extend(self, key: Ref, reads: Iterable[Read]) -> None:
        """The reconcile failed while it read: what the one before depended on counts as well."""
        before = self._reads.get(key, frozenset())
        self._drop(key)
        self._add(key, before | (frozenset(reads) - {key}))
        self._meanwhile.pop(key, None)

    def forget(self, key: Ref) -> None:
        """The key's resource is gone."""
        self._drop(key)
        self._meanwhile.pop(key, None)

    def keys_of(self, change: Change) -> frozenset[Ref]:
        """The keys to reconcile for a change."""
        keys = {change.ref} if change.ref.kind in RECONCILED else set()
        if change.owner is not None:
            keys.add(change.owner)
        for read in change.reads:
            keys |= self._keys.get(read, set())
        for seen in self._meanwhile.values():
            seen.update(change.reads)
        return frozenset(keys)

    def _add(self, key: Ref, reads: frozenset[Read]) -> None:
        self._reads[key] = reads
        for read in reads:
            self._keys.setdefault(read, set()).add(key)

    def _drop(self, key: Ref) -> None:
        for read in self._reads.pop(key, frozenset()):
            keys = self._keys[read]
            keys.discard(key)
            if not keys:
                del self._keys[read]
