"""One proxy whose audit sink is away, slow and lying in turn, at half load: `python -m benchmarks.sinks --help`.

Ends with exit code 1 at a violation: a call that took longer than its bound or was not answered, a line that neither
reached its sink nor was counted as lost, or lines out of their order.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.redis_server import RedisServer
from benchmarks.sinks.chaos import MOST_MILLISECONDS, Plan, Report, torment
from benchmarks.sinks.receivers import SINKS


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sinks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="length over all sinks (default 10)")
    parser.add_argument("--sink", action="append", choices=SINKS, help="one of them alone; may be given more than once")
    parser.add_argument(
        "--most", type=float, default=MOST_MILLISECONDS, help="milliseconds that a call may take (default %(default)s)"
    )
    options = parser.parse_args()
    if not RedisServer.is_installed():
        parser.error("redis-server is not installed")
    chosen = tuple(options.sink or SINKS)
    reports: list[Report] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmcp-sinks-")))
        for name in chosen:
            (folder / name).mkdir()
            plan = Plan(name, options.minutes * 60 / len(chosen), most_milliseconds=options.most)
            reports.append(uvloop.run(torment(folder / name, plan)))
            print(reports[-1].text(), flush=True)
    sys.exit(1 if any(report.violations for report in reports) else 0)


if __name__ == "__main__":
    main()
