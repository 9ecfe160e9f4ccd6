"""What many pods and their Redis need, on paper: from what one of each takes (benchmarks/fleet/figures.py).

Without options the loads of docs/scale.md as tables in Markdown; with `--sessions` and `--calls` a load of your own.
`--measure` measures a redis-server first and reckons with that; nothing else is measured here.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.fleet.figures import REDIS, Setting
from benchmarks.fleet.model import Load, fleet
from benchmarks.fleet.redis_costs import measure
from benchmarks.fleet.table import LOADS, PAGES, commands, tables, written
from benchmarks.redis_server import RedisServer

_DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--measure", action="store_true", help="measure a redis-server and reckon with its figures")
    parser.add_argument("--sessions", type=int, help="live sessions at the peak")
    parser.add_argument("--calls", type=float, help="calls a second at the peak")
    parser.add_argument("--setting", type=Setting, default=Setting.GUARDED, choices=Setting, help="what is on")
    parser.add_argument("--limited", action="store_true", help="each call is rate limited, in Redis")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long a session is used (default %(default)s)")
    parser.add_argument("--lifetime-hours", type=float, default=24.0, help="maxLifetime (default %(default)s)")
    parser.add_argument("--backends", type=int, default=2, help="backends that a session uses (default %(default)s)")
    parser.add_argument("--at-most", type=int, default=20_000, help="maxSessionsPerPod (default %(default)s)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/, and do nothing else")
    options = parser.parse_args()
    if options.write_docs:
        for page in PAGES:
            path = _DOCS / page
            path.write_text(written(page, path.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"wrote {path}")
        return
    if (options.sessions is None) != (options.calls is None):
        parser.error("--sessions and --calls go together")
    redis = REDIS
    if options.measure:
        if not RedisServer.is_installed():
            parser.error("redis-server is not installed")
        with tempfile.TemporaryDirectory(prefix="vmcp-fleet-") as folder:
            redis = measure(Path(folder))
        print(commands(redis), end="\n\n")
    loads = LOADS
    if options.sessions is not None:
        load = Load(options.sessions, options.calls, options.setting, is_limited=options.limited)
        load = replace(
            load,
            lasts=options.minutes * 60,
            lifetime=options.lifetime_hours * 3600,
            backends=options.backends,
            at_most=options.at_most,
        )
        loads = (load,)
    print(tables(tuple((load, fleet(load, redis=redis)) for load in loads)))


if __name__ == "__main__":
    main()
