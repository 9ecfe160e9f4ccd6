"""How many instructions a call takes in user space, counted by valgrind: `python -m benchmarks.instructions`.

The count does not depend on what else the machine does, so that a change of some percent shows where times cannot tell.
What the kernel does for a call is not in it, nor what the process does by the clock, whether calls come or not: a
contender is some fifty times slower while it is counted, so that this would count fifty times for each of them.
"""

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import jobs
from benchmarks.__main__ import roster_of
from benchmarks.collector import collector
from benchmarks.contenders.ours import SEARCHED
from benchmarks.contenders.roster import Peers, roster
from benchmarks.contenders.site import Contender, Launch, Site
from benchmarks.figures import KIB
from benchmarks.issuer import issuer
from benchmarks.redis_server import redis_address
from benchmarks.rig import Entrant, Rig, Scale
from benchmarks.turns import seated
from benchmarks.workloads.handed_on import CASES

_PATIENT_SECONDS: Final = 180.0
_WARM_SECONDS: Final = 3.0
_IDLE_SECONDS: Final = 1.0
_IDLE_SPANS: Final = 5
"""The least of so many counts: what comes once in a minute must not count as if it came in each of these seconds."""
_RESTING: Final = 0.3
"""Seconds of CPU in a second at most, at the speed of valgrind."""
_COUNTED: Final = re.compile(r"^desc: Trigger: dump\n.*?^summary: (\d+)$", re.MULTILINE | re.DOTALL)


def counted(contender: Contender, target: Path) -> Contender:
    """The same contender under valgrind, which counts nothing until it is told to."""
    start = contender.launch
    valgrind = ("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--combine-dumps=yes")

    def launch(site: Site) -> Launch:
        plain = start(site)
        return replace(plain, command=(*valgrind, f"--callgrind-out-file={target}", *plain.command))

    return replace(contender, launch=launch)


def count(
    rig: Rig,
    contender: Contender,
    urls: Sequence[str],
    seconds: float,
    calls: Callable[[float], jobs.Calls] = jobs.Calls,
    *,
    is_modern: bool,
) -> float:
    """Instructions for each call of some seconds."""
    target = rig.folder / f"callgrind.{contender.name}"
    with contextlib.ExitStack() as stack:
        entrant = stack.enter_context(rig.entered(counted(contender, target), urls))
        seat = stack.enter_context(seated(rig, entrant, is_modern=is_modern))
        assert entrant.child is not None
        process = entrant.child.pid
        seat.load.do(calls(_WARM_SECONDS))
        _await_rest(entrant)
        _tell(process, "--instr=on")
        # What valgrind translates for the first time is over before it counts.
        seat.load.do(calls(_WARM_SECONDS / 2))
        beside = min(_idle_rate(process, target) for _ in range(_IDLE_SPANS))
        with _counting(process, target) as busy:
            done = seat.load.do(calls(seconds))
        _tell(process, "--instr=off")
    return (busy.instructions - busy.seconds * beside) / done.count


def _await_rest(entrant: Entrant) -> None:
    """Waits until a process that nobody calls does next to nothing: tool search loads what ranks beside its calls."""
    while True:
        before = entrant.usage().cpu
        time.sleep(_IDLE_SECONDS)
        if entrant.usage().cpu - before < _RESTING:
            return


@dataclass
class _Span:
    """What a process did for a while."""

    instructions: int = 0
    seconds: float = 0.0


@contextmanager
def _counting(process: int, target: Path) -> Iterator[_Span]:
    """Counts while the block runs; what it finds is there behind it. Valgrind adds each dump to the `target`."""
    span = _Span()
    _tell(process, "--zero")
    began = time.perf_counter()
    yield span
    span.seconds = time.perf_counter() - began
    _tell(process, "--dump")
    found = _COUNTED.findall(target.read_text(errors="replace"))
    if not found:
        raise SystemExit(f"valgrind wrote no count to {target.name}")
    span.instructions = int(found[-1])


def _idle_rate(process: int, target: Path) -> float:
    """Instructions a second while nobody calls."""
    with _counting(process, target) as idle:
        time.sleep(_IDLE_SECONDS)
    return idle.instructions / idle.seconds


def _tell(process: int, order: str) -> None:
    subprocess.run(["callgrind_control", order, str(process)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def prepared(names: str, seconds: float) -> Iterator[tuple[Rig, tuple[Contender, ...]]]:
    """What is measured with, and those who take part, the passthrough first."""
    with (
        issuer() as vouching,
        collector() as taking,
        tempfile.TemporaryDirectory(prefix="vmcp-count-") as folder,
        redis_address(Path(folder)) as redis,
    ):
        present = roster_of(roster(Peers(None, None, None, None), vouching, redis, taking), names)
        yield Rig(Path(folder), present, Scale(seconds=seconds), _PATIENT_SECONDS), present.all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["vmcp"], metavar="NAME", help="contenders, as for make bench")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of what is counted")
    parser.add_argument("--modern", action="store_true", help="calls of MCP 2026-07-28, which has no sessions")
    parser.add_argument("--kib", type=int, default=0, help="results of so many KiB instead of small ones")
    parser.add_argument("--sse", action="store_true", help="the backend answers with event streams")
    parser.add_argument("--backends", type=int, default=1, help="how many backends stand behind tool search")
    parser.add_argument(
        "--handed-on", action="store_true", help="with tool search: by the tool's own name, and through call_tool"
    )
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("there is no valgrind; install it (Debian: apt install valgrind)")
    print(f"Python {sys.version.split()[0]}, instructions per call in user space")
    names, size = ",".join(options.names), options.kib * KIB
    calls = partial(jobs.Calls, tool="blob", size=size) if size else jobs.Calls
    cases = [(title, partial(jobs.Calls, through=through)) for title, through in CASES.items()]
    with (
        prepared(names, options.seconds) as (rig, contenders),
        rig.backends(options.backends, is_sse=options.sse) as backends,
    ):
        rows = (
            [(f"{SEARCHED.title}, {title}", SEARCHED, backends.urls, called) for title, called in cases]
            if options.handed_on
            else [(contender.title, contender, backends.urls[:1], calls) for contender in contenders]
        )
        base = 0.0
        for title, contender, urls, called in rows:
            found = count(rig, contender, urls, options.seconds, called, is_modern=options.modern)
            base = base or found
            print(f"{title:45} {found / 1000:8.1f} k {found / base:6.2f}", flush=True)


if __name__ == "__main__":
    main()
