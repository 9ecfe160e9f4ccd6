"""Which buckets a request needs a token of (ADR-0045)."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import msgspec

from vmcp_api.spec.rate_limiting import Bucket, OnStoreFailure, RateLimiting
from vmcp_api.text.durations import format_duration
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.outcomes import Limit
from vmcp_proxy.limits.bucket import Terms, Use

UserKey: TypeAlias = Callable[[Identity], str]
"""What stands for a caller in the names of its buckets."""

_MOST_NAMED: Final = 4096
"""Callers whose buckets have names at hand, for each kind of request; of more, all are named anew."""


class _Slot(msgspec.Struct, frozen=True, gc=False):
    """A bucket, or one for each caller: `use` is None then, and its key is `before`, the caller, and `after`."""

    limit: Limit
    terms: Terms
    before: str
    after: str
    use: Use | None


class Needed(msgspec.Struct, frozen=True, gc=False):
    """The buckets that a request needs a token of, and of which kind each is."""

    limits: tuple[Limit, ...]
    uses: tuple[Use, ...]


NOTHING_NEEDED: Final = Needed((), ())


class _Group:
    """The buckets of one kind of requests; `needed` where no caller has any of its own."""

    __slots__ = ("needed", "slots")

    def __init__(self, slots: tuple[_Slot, ...]) -> None:
        self.slots: Final = slots
        self.needed: Final = None if any(slot.use is None for slot in slots) else _needed(slots, "")


class RateLimits:
    """The buckets of a config.

    The terms are part of a bucket's name: an edit begins with a full one, and what the edit does not touch goes on.
    """

    def __init__(self, settings: RateLimiting) -> None:
        self.denies_unchecked: Final = settings.on_store_failure is OnStoreFailure.DENY
        """Whether nobody may ask while the buckets cannot be asked."""
        shared = _slots(Limit.SHARED, "shared", settings.shared)
        common = (*shared, *_slots(Limit.PER_USER, "user:", settings.per_user))
        self._common: Final = _Group(common)
        self._tools: Final = {
            tool.name: _Group(
                (
                    *common,
                    *_slots(Limit.TOOL_SHARED, f"tool:{tool.name}:shared", tool.shared),
                    *_slots(Limit.TOOL_PER_USER, f"tool:{tool.name}:user:", tool.per_user),
                )
            )
            for tool in settings.tools
        }
        self._of_users: Final[dict[tuple[_Group, str], Needed]] = {}

    def terms(self, tool: str | None) -> Iterator[tuple[Limit, Terms]]:
        """The buckets of a call of this tool, or of another request where it is None."""
        return ((slot.limit, slot.terms) for slot in self._of(tool).slots)

    def needed(self, tool: str | None, user_key: UserKey, identity: Identity) -> Needed:
        """The same with their names, in which `user_key` stands for the caller; named once for each caller."""
        group = self._common if tool is None else self._tools.get(tool, self._common)
        if group.needed is not None:
            return group.needed
        key = group, user_key(identity)
        known = self._of_users.get(key)
        if known is None:
            if len(self._of_users) >= _MOST_NAMED:
                self._of_users.clear()
            known = self._of_users[key] = _needed(group.slots, key[1])
        return known

    def needed_beside(self, tool: str | None, had: str | None, user_key: UserKey, identity: Identity) -> Needed:
        """Those of a call of one tool that are not among those of another, which it has had already."""
        if tool == had:
            return NOTHING_NEEDED
        already = self._of(had).slots
        slots = tuple(slot for slot in self._of(tool).slots if slot not in already)
        return _needed(slots, user_key(identity) if any(slot.use is None for slot in slots) else "")

    def _of(self, tool: str | None) -> _Group:
        return self._common if tool is None else self._tools.get(tool, self._common)


def _needed(slots: tuple[_Slot, ...], user: str) -> Needed:
    uses = (slot.use or Use(f"{slot.before}{user}{slot.after}", slot.terms) for slot in slots)
    return Needed(tuple(slot.limit for slot in slots), tuple(uses))


def _slots(limit: Limit, before: str, bucket: Bucket | None) -> tuple[_Slot, ...]:
    if bucket is None:
        return ()
    terms = Terms.of(bucket)
    after = f":{terms}"
    is_of_all = limit in (Limit.SHARED, Limit.TOOL_SHARED)
    return (_Slot(limit, terms, before, after, Use(f"{before}{after}", terms) if is_of_all else None),)


def describe(terms: Terms) -> str:
    """Terms for people: how many in how long."""
    return f"{terms.tokens} in {format_duration(terms.period / 1000)}"
