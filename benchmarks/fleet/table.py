"""Loads and what they need, as tables in Markdown."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from benchmarks.docs import with_figures
from benchmarks.fleet.figures import REDIS, REQUESTS, Command, RedisFigures, Request, Setting
from benchmarks.fleet.model import BUSY, Fleet, Load, fleet

_MIB: Final = 1 << 20
_GIB: Final = 1 << 30

BEGIN: Final = "<!-- written by python -m benchmarks.fleet --write-docs -->"
SIZING: Final = "how-to/sizing.md"
PAGES: Final = (SIZING, "scale.md")
"""Below docs/, the pages with a table of these."""

RATES: Final = (500, 1_000, 2_000, 5_000, 10_000, 100_000)
"""Small calls a second for which the pods are named."""

LOADS: Final[tuple[Load, ...]] = (
    Load(1_000, 500, at_most=10_000),
    Load(10_000, 2_000, at_most=10_000),
    Load(100_000, 10_000),
    Load(100_000, 10_000, is_limited=True),
    Load(1_000_000, 100_000, Setting.PLAIN),
    Load(1_000_000, 100_000),
    Load(1_000_000, 100_000, lifetime=7200.0),
    Load(1_000_000, 100_000, Setting.SECURED),
    Load(1_000_000, 100_000, Setting.SECURED, is_limited=True),
)
"""From a team to a million sessions."""

_LOAD: Final = ("sessions", "calls/s", "on", "limits in Redis", "`maxLifetime`")
_PODS: Final = (*_LOAD[:3], "pods", "because of", "cores", "MiB of a pod at most", "GiB in all")
_REDIS: Final = (
    *(
        *_LOAD,
        "commands/s",
        "cores",
        "of them limits",
        "in, out MB/s",
        "GiB for sessions, with ended ones",
        "processes",
    ),
    "who does it",
)


def tables(rows: Sequence[tuple[Load, Fleet]]) -> str:
    """The pods of each load, then its Redis."""
    pods = [(*_of(load)[:3], *_pods(need)) for load, need in rows]
    redis = [(*_of(load), *_redis(need)) for load, need in rows]
    return f"{_markdown(_PODS, list(dict.fromkeys(pods)))}\n\n{_markdown(_REDIS, redis)}"


def commands(redis: RedisFigures) -> str:
    """What was measured of Redis."""
    sizes = [f"a session takes {redis.record_bytes:.0f} bytes, one that has ended {redis.tombstone_bytes:.0f}", ""]
    costs = [(each.name, getattr(redis, each.name)) for each in fields(redis)]
    rows = [
        (name, f"{cost.cpu_us:.0f}", f"{cost.in_bytes:.0f}", f"{cost.out_bytes:.0f}")
        for name, cost in costs
        if isinstance(cost, Command)
    ]
    return "\n".join(sizes) + "\n" + _markdown(("command", "CPU µs", "bytes in", "bytes out"), rows)


def requests(measured: Sequence[Request] = REQUESTS) -> str:
    """What each request takes of a core, and how many a pod does."""
    rows = [
        (each.title, _number(each.cpu_us), _rounded(1e6 / each.cpu_us), _rounded(BUSY * 1e6 / each.cpu_us), each.page)
        for each in measured
    ]
    return _markdown(("Request", "CPU µs", "a full core, a second", "a pod at 60 %", "measured in"), rows)


def replicas(rates: Sequence[int] = RATES) -> str:
    """Pods for so many calls a second, by what is on."""
    rows = [(_number(rate), *(_number(fleet(Load(0, rate, setting)).pods) for setting in Setting)) for rate in rates]
    return _markdown(("calls a second", *(f"pods, {setting}" for setting in Setting)), rows)


def written(page: str, text: str) -> str:
    """The text of a page with its tables as they are now.

    Raises:
        MarkersMissingError: it has lost its markers.
    """
    if page == SIZING:
        return with_figures(text, f"{requests()}\n\n{replicas()}", BEGIN)
    whole = f"{commands(REDIS)}\n\n{tables([(load, fleet(load)) for load in LOADS])}"
    return with_figures(text, whole, BEGIN)


def _of(load: Load) -> tuple[str, ...]:
    limits = "yes" if load.is_limited else "no"
    return _number(load.sessions), _number(load.calls), load.setting, limits, f"{load.lifetime / 3600:.0f} h"


def _pods(need: Fleet) -> tuple[str, ...]:
    sizes = (_number(need.pod_memory / _MIB), f"{need.memory / _GIB:.1f}")
    return _number(need.pods), need.pods_for, f"{need.cores:.1f}", *sizes


def _redis(need: Fleet) -> tuple[str, ...]:
    work = (_number(need.redis_commands), f"{need.redis_cpu:.2f}", f"{need.limits_cpu:.2f}")
    sizes = (
        f"{need.redis_in / 1e6:.1f}, {need.redis_out / 1e6:.1f}",
        f"{need.redis_records / _GIB:.2f}, {need.redis_memory / _GIB:.2f}",
    )
    return *work, *sizes, str(need.redises), need.limit


def _rounded(value: float) -> str:
    """With two figures, for more would say more than was measured."""
    step = 10 ** max(len(str(int(value))) - 2, 0)
    return _number(round(value / step) * step)


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rules = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *rows))
