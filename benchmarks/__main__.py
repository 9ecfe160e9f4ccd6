"""Contenders take turns in front of zero-latency backends: `python -m benchmarks --help` (docs/performance.md)."""

import argparse
import contextlib
import json
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.collector import collector
from benchmarks.contenders.bare import BASE
from benchmarks.contenders.roster import Peers, Roster, roster
from benchmarks.docs import write_docs
from benchmarks.figures import Result, document
from benchmarks.issuer import issuer
from benchmarks.machine import describe
from benchmarks.redis_server import redis_address
from benchmarks.report import absent_lines, machine_line, terminal
from benchmarks.rig import QUICK, RefusedError, Rig, Scale
from benchmarks.workloads.registry import WORKLOADS

_PATIENT_SECONDS = 120.0


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; ends the process where it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help=f"workloads, with commas: {','.join(WORKLOADS)}")
    parser.add_argument("--contenders", metavar="NAMES", help="of ours and the peers these alone, with commas")
    parser.add_argument("--quick", action="store_true", help="a smoke run: everything small and once")
    parser.add_argument("--turns", type=int, help="turns of each contender")
    parser.add_argument("--seconds", type=float, help="length of one measurement")
    parser.add_argument("--agentgateway", type=Path, metavar="BINARY", help="agentgateway")
    parser.add_argument("--toolhive-vmcp", type=Path, metavar="BINARY", help="ToolHive's vmcp")
    parser.add_argument("--fastmcp", type=Path, metavar="ENV", help="Python environment that has fastmcp")
    parser.add_argument("--contextforge", type=Path, metavar="ENV", help="one that has mcp-contextforge-gateway")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write every turn as JSON")
    parser.add_argument("--write-docs", action="store_true", help="put figures and charts into docs/")
    options = parser.parse_args(arguments)
    unknown = [name for name in chosen(options.only) if name not in WORKLOADS]
    if unknown:
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return options


def chosen(only: str | None) -> tuple[str, ...]:
    """The names of the workloads to run."""
    return tuple(WORKLOADS) if only is None else tuple(filter(None, only.split(",")))


def roster_of(everybody: Roster, names: str | None) -> Roster:
    """Those who are named, and the passthrough that ratios are against.

    Raises:
        ValueError: somebody is named who does not take part.
    """
    if names is None:
        return everybody
    wanted = {BASE, *filter(None, names.split(","))}
    there = {each.name for each in everybody.all}
    if wanted - there:
        raise ValueError(f"no contender {', '.join(sorted(wanted - there))}; there are {', '.join(sorted(there))}")
    return everybody.only(wanted)


def scale_of(options: argparse.Namespace) -> Scale:
    """How much the run does."""
    scale = QUICK if options.quick else Scale()
    if options.turns is not None:
        scale = replace(scale, turns=options.turns, starts=options.turns)
    return scale if options.seconds is None else replace(scale, seconds=options.seconds)


def run(rig: Rig, names: Sequence[str]) -> list[Result]:
    """Runs workloads one after the other and shows each as soon as it is there."""
    results = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            results.append(WORKLOADS[name](rig))
        except RefusedError as error:
            error.add_note(f"in the workload {name}")
            raise
        print(terminal(results[-1]), flush=True)
    return results


def main() -> None:
    options = parse()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers = Peers(options.agentgateway, options.toolhive_vmcp, options.fastmcp, options.contextforge)
    scale = scale_of(options)
    with (
        issuer() as vouching,
        collector() as taking,
        tempfile.TemporaryDirectory(prefix="vmcp-bench-") as folder,
        redis_address(Path(folder)) as redis,
    ):
        present = roster_of(roster(peers, vouching, redis, taking), options.contenders)
        about = describe(present, scale)
        print(machine_line(about))
        for line in absent_lines(about):
            print(line)
        results = run(Rig(Path(folder), present, scale, _PATIENT_SECONDS), chosen(options.only))
    if options.output is not None:
        options.output.write_text(json.dumps(document(results, about), indent=1) + "\n")
    if options.write_docs:
        for path in write_docs(results, about):
            print(f"wrote {path}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
