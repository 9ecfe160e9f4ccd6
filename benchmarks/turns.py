"""Contenders that take turns: each has its load generator with open sessions, and is measured again and again."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import jobs
from benchmarks.contenders.bare import BASE
from benchmarks.contenders.site import Contender
from benchmarks.figures import MIB, Row, ratios, transposed
from benchmarks.jobs import Done
from benchmarks.rig import Backends, Entrant, Load, RefusedError, Rig


@dataclass(frozen=True, slots=True)
class Seat:
    """A contender that runs, and the load on it."""

    entrant: Entrant
    load: Load


@contextlib.contextmanager
def seated(rig: Rig, entrant: Entrant, sessions: int | None = None, *, is_modern: bool = False) -> Iterator[Seat]:
    """A load generator with open sessions in front of a contender, or of clients without any.

    Raises:
        RefusedError: the contender does not take them.
    """
    with rig.load() as load:
        connections = rig.scale.connections
        load.do(
            jobs.Open(
                entrant.port,
                entrant.path,
                sessions or connections,
                connections,
                authorization=entrant.authorization,
                is_modern=is_modern,
            )
        )
        yield Seat(entrant, load)


def seat_all(
    rig: Rig,
    stack: contextlib.ExitStack,
    case: str,
    contenders: Sequence[Contender],
    backends: Callable[[Contender], Backends],
) -> tuple[list[Seat], list[Row]]:
    """Starts contenders at once and opens sessions at each; rows for those that refuse."""
    starting = [stack.enter_context(rig.started(each, backends(each).urls)) for each in contenders]
    seats: list[Seat] = []
    refused: list[Row] = []
    for each in starting:
        try:
            entrant = each.ready(rig.patience)
            seats.append(stack.enter_context(seated(rig, entrant)))
        except RefusedError as error:
            refused.append(Row(case, each.contender.title, note=str(error).splitlines()[0]))
    for each in starting:
        # They end together, not one after the other.
        stack.callback(each.child.ask_to_end)
    return seats, refused


def warm(seats: Sequence[Seat], job: jobs.Job) -> None:
    """Does a job that nobody measures; who fails at it will fail again when it counts."""
    for seat in seats:
        with contextlib.suppress(RefusedError):
            seat.load.do(job)


def measure(seat: Seat, job: jobs.Job) -> dict[str, float]:
    """What one job costs: CPU in microseconds for each unit of work, calls a second, latencies, resident MiB."""
    before = seat.entrant.usage()
    done = seat.load.do(job)
    after = seat.entrant.usage()
    turn = {
        "count": float(done.count),
        "rate": done.count / done.seconds,
        "p50": done.p50,
        "p99": done.p99,
        "tools": float(done.tools),
    }
    if seat.entrant.child is not None:
        turn |= {"cpu": cpu_per_call(done, after.cpu - before.cpu), "rss": after.rss / MIB}
    return turn


def cpu_per_call(done: Done, seconds: float) -> float:
    """Microseconds of CPU for each unit of work."""
    return seconds / max(done.count, 1) * 1e6


def by_turns(
    rig: Rig, case: str, seats: Sequence[Seat], take: Callable[[Seat], Mapping[str, float]]
) -> tuple[Row, ...]:
    """Lets every contender take its turns; one that fails is out from then on and says why."""
    turns: dict[str, list[Mapping[str, float]]] = {seat.entrant.name: [] for seat in seats}
    notes: dict[str, str] = {}
    for _ in range(rig.scale.turns):
        for seat in seats:
            name = seat.entrant.name
            if name in notes:
                continue
            try:
                turns[name].append(take(seat))
            except RefusedError as error:
                notes[name] = str(error).splitlines()[0]
    base = [turn.get("cpu", 0.0) for turn in turns.get(BASE, [])]
    rows = []
    for seat in seats:
        name = seat.entrant.name
        values = transposed(turns[name])
        if "cpu" in values:
            values["ratio"] = ratios(values["cpu"], base)
        rows.append(Row(case, seat.entrant.title, values, notes.get(name, "")))
    return tuple(rows)
