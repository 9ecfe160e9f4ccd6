"""Which buckets a request needs a token of (ADR-0045)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vmcp_api.spec.rate_limiting import OnStoreFailure, RateLimiting
from vmcp_api.text.durations import format_duration
from vmcp_proxy.core.outcomes import Limit
from vmcp_proxy.limits.bucket import Terms, Use


@dataclass(frozen=True, slots=True)
class ToolBuckets:
    """Those of one tool."""

    shared: Terms | None
    per_user: Terms | None


class RateLimits:
    """The buckets of a config.

    The terms are part of a bucket's name: an edit begins with a full one, and what the edit does not touch goes on.
    """

    def __init__(self, settings: RateLimiting) -> None:
        self.on_store_failure: Final = settings.on_store_failure
        self._shared: Final = None if settings.shared is None else Terms.of(settings.shared)
        self._per_user: Final = None if settings.per_user is None else Terms.of(settings.per_user)
        self._tools: Final = {
            tool.name: ToolBuckets(
                None if tool.shared is None else Terms.of(tool.shared),
                None if tool.per_user is None else Terms.of(tool.per_user),
            )
            for tool in settings.tools
        }

    @property
    def denies_unchecked(self) -> bool:
        """Whether nobody may ask while the buckets cannot be asked."""
        return self.on_store_failure is OnStoreFailure.DENY

    def terms(self, tool: str | None) -> Iterator[tuple[Limit, Terms]]:
        """The buckets of a call of this tool, or of another request where it is None."""
        if self._shared is not None:
            yield Limit.SHARED, self._shared
        if self._per_user is not None:
            yield Limit.PER_USER, self._per_user
        buckets = None if tool is None else self._tools.get(tool)
        if buckets is not None and buckets.shared is not None:
            yield Limit.TOOL_SHARED, buckets.shared
        if buckets is not None and buckets.per_user is not None:
            yield Limit.TOOL_PER_USER, buckets.per_user

    def uses(self, tool: str | None, user_key: Callable[[], str]) -> list[tuple[Limit, Use]]:
        """The same with their names, in which `user_key` stands for the caller."""
        user = ""
        uses = []
        for limit, terms in self.terms(tool):
            if not user and limit in (Limit.PER_USER, Limit.TOOL_PER_USER):
                user = user_key()
            uses.append((limit, Use(_KEYS[limit].format(user=user, tool=tool, terms=terms), terms)))
        return uses


_KEYS: Final = {
    Limit.SHARED: "shared:{terms}",
    Limit.PER_USER: "user:{user}:{terms}",
    Limit.TOOL_SHARED: "tool:{tool}:shared:{terms}",
    Limit.TOOL_PER_USER: "tool:{tool}:user:{user}:{terms}",
}


def describe(terms: Terms) -> str:
    """Terms for people: how many in how long."""
    return f"{terms.tokens} in {format_duration(terms.period / 1000)}"
