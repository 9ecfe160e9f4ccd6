"""What the listings of a group's members amount to: how each fares, and how long what is made of them may be kept."""

from collections.abc import Mapping

from vmcp_proxy.backends.errors import Category
from vmcp_proxy.core.catalog.capabilities import Outcome
from vmcp_proxy.core.listings.entry import Entry
from vmcp_proxy.core.members.circuit import CIRCUIT_IS_OPEN
from vmcp_proxy.protocol.modern.cache_hints import NOT_CACHEABLE, Cacheable


def outcome_of(entry: Entry) -> Outcome:
    """How a member's listing fares, in the words that results and statuses tell."""
    if not entry.member.circuit.is_closed:
        return Outcome(Category.CIRCUIT_OPEN.value, f"backend {entry.member.name!r} {CIRCUIT_IS_OPEN}")
    if entry.failure is not None:
        return entry.failure
    if entry.listing is not None and entry.served is None:
        return Outcome(entry.member.health.category.value, entry.member.health.message)
    if entry.listing is None:
        return Outcome("timeout", f"backend {entry.member.name!r} has not answered yet")
    return Outcome("ok", "")


def cacheable_of(entries: Mapping[str, Entry], *, is_whole: bool) -> Cacheable:
    """How long what is made of these may be kept; it is not for all callers where some see less of the group."""
    known = [entry.cacheable for entry in entries.values()]
    until = min((each.until for each in known), default=NOT_CACHEABLE.until)
    return Cacheable(until, is_whole and bool(known) and all(each.is_public for each in known))
