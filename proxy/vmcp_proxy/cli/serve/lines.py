"""The lines in which a person is told what became of backends, names and settings; pure."""

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from vmcp_api.pod_status import (
    COMPOSITE_TOOLS,
    OPTIMIZER,
    RATE_LIMITING,
    WITHHELD,
    ConflictReport,
    DroppedReport,
    Health,
    UnmatchedReport,
)
from vmcp_proxy.cli.serve.observed import BackendState, Observed, Place

SILENT_SECONDS: Final = 5.0
"""How long a backend may take to come up before a person is told what is being waited for."""
SHOWN: Final = 50
"""How many names of one sort are told of at once: two backends may share a thousand."""

_BOTH: Final = "rename one of them under aggregation.tools (overrides); a filter comes too late"
_CLASH_REMEDIES: Final = MappingProxyType(
    {"tool": _BOTH, "prompt": "name one of the two backends differently, or set priorityOrder"}
)
"""Nothing changes the URI of a resource."""

EntryT = TypeVar("EntryT")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    level: int
    event: str
    fields: tuple[tuple[str, object], ...] = ()


def changes(before: Observed | None, after: Observed) -> Iterator[Line]:
    """The lines between two states; `None` is before the first."""
    past = before or Observed("", {})
    if past.store != after.store:
        yield _store_line(after)
    # What is served of a backend changes by edits and by what others list; that is no news of this one.
    by_others = past.config_hash != after.config_hash or past.clashes != after.clashes
    for name, state in after.backends.items():
        yield from _backend_lines(name, past.backends.get(name), state, by_others=by_others)
    for name in past.backends:
        if name not in after.backends:
            yield Line(logging.INFO, "backend is removed", (("name", name),))
    for lines in (
        [_clash_line(each) for each in _new(after.clashes, past.clashes)],
        [_dropped_line(each) for each in _new(after.dropped, past.dropped)],
        [_unmatched_line(each) for each in _new(after.unmatched, past.unmatched)],
    ):
        yield from lines[:SHOWN]
        if len(lines) > SHOWN:
            yield Line(logging.WARNING, "and more of these", (("lines", len(lines) - SHOWN), ("see", "/status")))
    if not after.backends and (past.backends or before is None):
        yield Line(logging.WARNING, "there is no backend", (("remedy", "add a server to the file, in the same group"),))


def silent_line(name: str, place: Place) -> Line:
    """The line for a backend that has said nothing for `SILENT_SECONDS`."""
    said = f"no answer to initialize within {SILENT_SECONDS:g} s, still waiting"
    return Line(logging.WARNING, "backend is silent", (("name", name), ("message", said), *place))


def _new(after: Iterable[EntryT], before: Collection[EntryT]) -> Iterator[EntryT]:
    known = frozenset(before)
    return (each for each in after if each not in known)


def _store_line(seen: Observed) -> Line:
    if not seen.store:
        return Line(logging.INFO, "session store is back")
    effect = "new sessions get 503 until it is back"
    return Line(
        logging.WARNING,
        "session store is away",
        (("message", seen.store), ("address", seen.store_address), ("effect", effect)),
    )


def _backend_lines(name: str, before: BackendState | None, state: BackendState, *, by_others: bool) -> Iterator[Line]:
    if state == before or state.status == Health.UNKNOWN:
        return
    if state.status != Health.HEALTHY:
        event = "backend is withheld" if state.status == WITHHELD else f"backend is {state.status}"
        yield Line(logging.WARNING, event, (("name", name), ("message", state.message), *_advice(state)))
        return
    past = before if before is not None and before.status == Health.HEALTHY else None
    named = (("name", name), *(state.counts or (("tools", 0),)))
    if past is None:
        yield Line(logging.INFO, "backend is up", named)
    elif past.counts != state.counts and not by_others:
        yield Line(logging.INFO, "backend's lists changed", named)
    if state.message and (past is None or past.message != state.message):
        effect = "what comes after that in its list is not served"
        fields = (("name", name), ("message", state.message), ("effect", effect))
        yield Line(logging.WARNING, "backend is incomplete", fields)


def _advice(state: BackendState) -> Place:
    """Where to look and what to do; a message with a semicolon brings its own remedy, as all messages do."""
    if ";" in state.message:
        return tuple((key, value) for key, value in state.place if key != "remedy")
    return tuple((key, _remedy(state, value) if key == "remedy" else value) for key, value in state.place)


def _remedy(state: BackendState, usual: str) -> str:
    if "token endpoint" in state.message:
        return "see that the token endpoint runs there, or correct tokenUrl"
    if state.status == Health.UNAUTHENTICATED:
        return (
            "set its credentials in outgoingAuth or headerForward (headers, in an editor's file), or see that they "
            "still hold"
        )
    if "name cannot be resolved" in state.message:
        return "check the host name in its URL"
    return usual


def _clash_line(clash: ConflictReport) -> Line:
    remedy = _CLASH_REMEDIES.get(clash.kind)
    last = (("remedy", remedy),) if remedy else ()
    named = (("kind", clash.kind), ("name", clash.name))
    if clash.winner is None:
        return Line(logging.WARNING, "a name is served by nobody", (*named, ("claimed_by", list(clash.losers)), *last))
    fields = (*named, ("served_by", clash.winner), ("lost_by", list(clash.losers)), *last)
    return Line(logging.INFO, "a name is claimed twice", fields)


def _dropped_line(entry: DroppedReport) -> Line:
    fields = (("backend", entry.backend), ("kind", entry.kind), ("name", entry.name), ("reason", entry.reason))
    return Line(logging.WARNING, "an entry is not served", fields)


_OF_NO_BACKEND: Final = {
    RATE_LIMITING: (
        "rateLimiting.tools",
        "write the name that clients see, or would see of a hidden one, or remove the entry",
    ),
    OPTIMIZER: (
        "optimizer.alwaysVisible",
        "write the name that clients see, or remove the entry",
    ),
    COMPOSITE_TOOLS: (
        "compositeTools",
        "write the name that clients see, or workload.tool, in the step",
    ),
}
"""Settings that name tools and no backend, with what to do."""


def _unmatched_line(unmatched: UnmatchedReport) -> Line:
    if unmatched.setting in _OF_NO_BACKEND:
        setting, remedy = _OF_NO_BACKEND[unmatched.setting]
        named = (("setting", setting), ("entry", unmatched.name), ("remedy", remedy))
        return Line(logging.WARNING, "a setting matches nothing", named)
    is_unknown = unmatched.setting == "workload"
    remedy = "name a member of the group" if is_unknown else "correct the name, or remove the entry"
    fields = (("backend", unmatched.backend), ("setting", unmatched.setting), ("entry", unmatched.name))
    return Line(logging.WARNING, "a setting matches nothing", (*fields, ("remedy", remedy)))
