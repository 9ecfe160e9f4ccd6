"""Which buckets a request needs a token of (ADR-0045)."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from vmcp_api.spec.rate_limiting import Bucket, OnStoreFailure, RateLimiting
from vmcp_api.text.durations import format_duration
from vmcp_proxy.core.outcomes import Limit
from vmcp_proxy.limits.bucket import Terms, Use


class _Slot(msgspec.Struct, frozen=True, gc=False):
    """A bucket, or one for each caller: `use` is None then, and its key is `before`, the caller, and `after`."""

    limit: Limit
    terms: Terms
    before: str
    after: str
    use: Use | None


class RateLimits:
    """The buckets of a config.

    The terms are part of a bucket's name: an edit begins with a full one, and what the edit does not touch goes on.
    """

    def __init__(self, settings: RateLimiting) -> None:
        self.denies_unchecked: Final = settings.on_store_failure is OnStoreFailure.DENY
        """Whether nobody may ask while the buckets cannot be asked."""
        shared = _slots(Limit.SHARED, "shared", settings.shared)
        self._common: Final = (*shared, *_slots(Limit.PER_USER, "user:", settings.per_user))
        self._tools: Final = {
            tool.name: (
                *self._common,
                *_slots(Limit.TOOL_SHARED, f"tool:{tool.name}:shared", tool.shared),
                *_slots(Limit.TOOL_PER_USER, f"tool:{tool.name}:user:", tool.per_user),
            )
            for tool in settings.tools
        }

    def terms(self, tool: str | None) -> Iterator[tuple[Limit, Terms]]:
        """The buckets of a call of this tool, or of another request where it is None."""
        return ((slot.limit, slot.terms) for slot in self._of(tool))

    def uses(self, tool: str | None, user_key: Callable[[], str]) -> list[tuple[Limit, Use]]:
        """The same with their names, in which `user_key` stands for the caller."""
        return self._uses(self._of(tool), user_key)

    def uses_beside(self, tool: str | None, had: str | None, user_key: Callable[[], str]) -> list[tuple[Limit, Use]]:
        """Those of a call of one tool that are not among those of another, which it has had already."""
        if tool == had:
            return []
        already = self._of(had)
        return self._uses(tuple(slot for slot in self._of(tool) if slot not in already), user_key)

    def _uses(self, slots: tuple[_Slot, ...], user_key: Callable[[], str]) -> list[tuple[Limit, Use]]:
        user = ""
        uses = []
        for slot in slots:
            use = slot.use
            if use is None:
                user = user or user_key()
                use = Use(f"{slot.before}{user}{slot.after}", slot.terms)
            uses.append((slot.limit, use))
        return uses

    def _of(self, tool: str | None) -> tuple[_Slot, ...]:
        return self._common if tool is None else self._tools.get(tool, self._common)


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
