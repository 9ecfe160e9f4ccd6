"""How well tool search finds what is asked for: `python -m benchmarks.search --help` (docs/search-quality.md).

Ends with exit code 1 where a figure is worse than in the baseline, or one contender does not beat the one before it.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.docs import with_figures
from benchmarks.search.collection import OWN, CollectionError, read_collection
from benchmarks.search.contenders import ContenderError, contenders
from benchmarks.search.evaluation import evaluate
from benchmarks.search.gate import disorder, losses, read_baseline, write_baseline
from benchmarks.search.tables import markdown, misses, terminal

_BEGIN = "<!-- figures of a run: written by python -m benchmarks.search --write-docs -->"
_PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "search-quality.md"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", type=Path, default=OWN, metavar="DIR", help="another collection of the same form")
    parser.add_argument("--fastmcp", type=Path, metavar="ENV", help="Python environment that has fastmcp")
    parser.add_argument("--misses", metavar="CONTENDER", help="show the queries whose tools it does not find")
    parser.add_argument("--write-baseline", action="store_true", help="hold later runs to the figures of this one")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/search-quality.md")
    return parser


def main() -> int:
    options = parser().parse_args()
    try:
        collection = read_collection(options.set)
        evaluations = evaluate(collection, contenders(collection.tools, options.fastmcp))
    except (CollectionError, ContenderError) as error:
        print(error, file=sys.stderr)
        return 2
    print(terminal(evaluations))
    for each in evaluations:
        if each.contender == options.misses:
            print("", *misses(each), sep="\n")
    if options.write_baseline:
        print(f"wrote {write_baseline(options.set, evaluations)}")
    if options.write_docs:
        _PAGE.write_text(with_figures(_PAGE.read_text(), markdown(collection, evaluations), _BEGIN))
        print(f"wrote {_PAGE}")
    baseline = read_baseline(options.set)
    failures = [*disorder(evaluations), *(losses(evaluations, baseline) if baseline is not None else ())]
    for failure in failures:
        print(f"! {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
