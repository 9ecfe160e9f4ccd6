"""Contenders take turns in front of one zero-latency backend: `python -m benchmarks --help`."""

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.child import START_SECONDS, Child, running
from benchmarks.contenders import BASE, Contender, Entrant, contenders, entered, python
from benchmarks.load import LoadResult
from benchmarks.report import Turn, document, render, summarise

DIRECT = "direct"


def take_turn(port: int, subject: Child | None, options: argparse.Namespace) -> Turn:
    """One turn: the load warms up, and only then the clocks start."""
    sessions, seconds = str(options.sessions), str(options.seconds)
    command = python("load", "--port", str(port), "--sessions", sessions, "--seconds", seconds)
    with running(*command) as load:
        if load.read_line(START_SECONDS + options.seconds) != "ready":
            raise RuntimeError("the load generator did not start")
        before = subject.usage() if subject else None
        load.write_line("go")
        result = msgspec.json.decode(load.read_line(START_SECONDS + options.seconds), type=LoadResult)
        after = subject.usage() if subject else None
    cpu = (after.cpu - before.cpu) / result.calls * 1e6 if after and before else 0.0
    return Turn(
        calls=result.calls,
        rate=result.calls / result.seconds,
        cpu=cpu,
        p50=result.p50,
        p99=result.p99,
        rss=after.rss if after else 0,
    )


def compare(chosen: Sequence[Contender], options: argparse.Namespace) -> tuple[dict[str, str], dict[str, list[Turn]]]:
    """Titles and turns by contender, the direct line to the backend among them."""
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(running(*python("backend", *(["--sse"] if options.sse else []))))
        port = backend.port()
        entrants = [stack.enter_context(entered(each, f"http://127.0.0.1:{port}/mcp")) for each in chosen]
        titles = {each.name: each.title for each in entrants}
        turns: dict[str, list[Turn]] = {name: [] for name in titles}
        if _takes_part(DIRECT, options):
            titles = {DIRECT: "direct to the backend", **titles}
            turns[DIRECT] = []
        for number in range(1, options.rounds + 1):
            print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
            if DIRECT in turns:
                turns[DIRECT].append(take_turn(port, None, options))
            for entrant in entrants:
                turns[entrant.name].append(_turn_of(entrant, options))
        return titles, turns


def _turn_of(entrant: Entrant, options: argparse.Namespace) -> Turn:
    try:
        return take_turn(entrant.port, entrant.child, options)
    except Exception as error:
        error.add_note(f"in a turn of {entrant.name}")
        raise


def _takes_part(name: str, options: argparse.Namespace) -> bool:
    return not options.only or name in options.only


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn (default 3)")
    parser.add_argument("--sessions", type=int, default=16, help="sessions that call back to back (default 16)")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help=f"{DIRECT}, {BASE}, aiohttp, vmcp, vmcp-full, fastmcp"
    )
    parser.add_argument("--sse", action="store_true", help="the backend answers calls with event streams")
    parser.add_argument("--fastmcp-python", metavar="PATH", help="interpreter that can import fastmcp")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write every turn as JSON")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="vmcp-bench-") as folder:
        known = contenders(Path(folder), options.fastmcp_python)
        unknown = set(options.only or ()) - {DIRECT, *known}
        if unknown:
            raise SystemExit(f"no such contender: {', '.join(sorted(unknown))}; there are {DIRECT}, {', '.join(known)}")
        titles, turns = compare([each for each in known.values() if _takes_part(each.name, options)], options)
    summaries = summarise(titles, turns, BASE)
    about = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "sessions": options.sessions,
        "sse": options.sse,
    }
    print(render(summaries))
    if options.output is not None:
        options.output.write_text(json.dumps(document(summaries, turns, about), indent=1) + "\n")


if __name__ == "__main__":
    main()
