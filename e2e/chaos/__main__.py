"""Breaks everything around the operator while clients call tools: `python -m e2e.chaos --help`, or `make chaos`.

Ends with exit code 1 where a client noticed what it must not notice, or where afterwards a status is not true,
something is left over, the operator's memory has grown, or its log tells of a defect.
"""

import argparse
import asyncio
import logging
import secrets
import sys

from e2e.chaos.run import run
from e2e.chaos.stage import Stage
from e2e.support.installation import DUMPS, installed


def main() -> None:
    """Prints what happened."""
    parser = argparse.ArgumentParser(prog="python -m e2e.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="for which faults begin (default 15)")
    parser.add_argument("--seed", type=int, help="of their order (default: by chance, and told)")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"{options.minutes:g} minutes, seed {seed}", flush=True)
    # A client tells a session that it gives up of what still comes.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    with installed() as cluster:
        report = asyncio.run(run(Stage.build(cluster), options.minutes, seed))
        if report.ledger.violations:
            cluster.dump(DUMPS / "chaos")
    print(report.text())
    sys.exit(1 if report.ledger.violations or not report.ledger.right else 0)


if __name__ == "__main__":
    main()
