"""The figures of a run: medians over the rounds and ratios against the bare passthrough."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one contender; `cpu` in microseconds per call, latencies in milliseconds, `rss` in bytes."""

    calls: int
    rate: float
    cpu: float
    p50: float
    p99: float
    rss: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians over a contender's turns; `ratio` is CPU against the base, None where that took no part."""

    name: str
    title: str
    cpu: float
    ratio: float | None
    rate: float
    p50: float
    p99: float
    rss: float


def summarise(titles: Mapping[str, str], turns: Mapping[str, Sequence[Turn]], base: str) -> list[Summary]:
    """One summary for each contender, in their order.

    The ratio is the median of the ratios of each round: a machine that slows down in one round slows both.
    """
    return [_summary(name, titles[name], turns[name], turns.get(base)) for name in titles]


def _summary(name: str, title: str, own: Sequence[Turn], base: Sequence[Turn] | None) -> Summary:
    def median(field: str) -> float:
        return statistics.median(getattr(turn, field) for turn in own)

    ratios = [mine.cpu / theirs.cpu for mine, theirs in zip(own, base or (), strict=False) if theirs.cpu]
    ratio = statistics.median(ratios) if ratios and median("cpu") else None
    return Summary(name, title, median("cpu"), ratio, median("rate"), median("p50"), median("p99"), median("rss"))


def render(summaries: Sequence[Summary]) -> str:
    """The table, in Markdown."""
    lines = [
        "| Contender | CPU µs per call | ratio | calls/s | p50 ms | p99 ms | RSS MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for each in summaries:
        cpu = f"{each.cpu:.0f}" if each.cpu else "-"
        ratio = "-" if each.ratio is None else f"{each.ratio:.2f}"
        rss = f"{each.rss / MIB:.0f}" if each.rss else "-"
        lines.append(f"| {each.title} | {cpu} | {ratio} | {each.rate:.0f} | {each.p50:.2f} | {each.p99:.2f} | {rss} |")
    return "\n".join(lines)


def document(summaries: Sequence[Summary], turns: Mapping[str, Sequence[Turn]], about: Mapping[str, object]) -> object:
    """All of a run as JSON values: what it was, the summaries, every turn."""
    return {
        "about": dict(about),
        "summaries": [asdict(each) for each in summaries],
        "turns": {name: [asdict(turn) for turn in taken] for name, taken in turns.items()},
    }
