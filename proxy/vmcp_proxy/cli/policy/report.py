"""What other policies would change, for people."""

from collections.abc import Iterator, Sequence

from vmcp_proxy.cli.output import align, clean
from vmcp_proxy.cli.policy.totals import Change, Totals

_HEADINGS = ("CALLER", "ACTION", "NAME", "BACKEND", "CALLS", "WHY")


def describe(totals: Totals) -> Iterator[str]:
    """The lines: what was read, who would lose and who would gain what, and what cannot be told."""
    unjudged = sum(each.calls for each in totals.unjudged)
    skipped = totals.skipped
    counts = (
        f"{_count(totals.judged, 'call')} judged",
        f"{unjudged} not judged",
        f"{skipped['other']} other requests",
        f"{skipped['nobodys']} calls of unknown names",
        f"{skipped['no_audit']} no audit lines",
    )
    yield f"{totals.lines} lines: {', '.join(counts)}"
    yield from _side("would lose", totals.lose)
    yield from _side("would gain", totals.gain)
    if totals.unjudged:
        yield ""
        yield f"not judged: {unjudged} calls, which may come out either way"
    for each in totals.unjudged:
        policies, lacks = ", ".join(each.policies), ", ".join(each.lacks)
        yield clean(f"  {_count(each.calls, 'call')}: {policies} reads what the lines do not hold: {lacks}")


def why_nothing(totals: Totals) -> str:
    """Why no call of a log could be judged."""
    if not totals.lines:
        return "the log is empty"
    if totals.unjudged:
        return "the lines do not hold what the policies read"
    if totals.skipped["no_audit"] == totals.lines:
        return "no line is of the audit log"
    return "no audit line is about a call of a name that a backend has"


def remedy_of_nothing(totals: Totals) -> str:
    """What to do about it."""
    if totals.unjudged:
        return "set under spec.config.audit what is missing, and try again with the lines of a day"
    if totals.skipped["no_audit"] == totals.lines:
        return "turn it on (spec.config.audit.enabled), and give its lines"
    return "give the lines of a day with calls"


def _side(title: str, changes: Sequence[Change]) -> Iterator[str]:
    yield ""
    if not changes:
        yield f"{title}: nobody"
        return
    callers = len({(each.issuer, each.subject) for each in changes})
    yield f"{title}: {_count(callers, 'caller')}, {_count(sum(each.calls for each in changes), 'call')}"
    rows = [
        tuple(map(clean, (each.subject, each.action, each.name, each.backend, str(each.calls), _why(each))))
        for each in changes
    ]
    yield from (f"  {line}" for line in align([_HEADINGS, *rows]))


def _why(change: Change) -> str:
    if change.errors:
        return ", ".join(f"{each} fails: {why}" for each, why in zip(change.errors, change.why, strict=True))
    return ", ".join(change.policies) or "no policy permits it"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
