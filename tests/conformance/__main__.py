"""Runs the official conformance suites against the proxy; exit code 1 where a scenario that counts fails."""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from tests.conformance.installing import PLACE, ROOT, FailedError, installed, node
from tests.conformance.setups import SETUPS, Setup, end_of, standing
from tests.conformance.suite import LEGACY, MODERN, REVISIONS, Outcome, Suite
from tests.conformance.table import CLIENTS, ERAS, LATEST, SCORED, UNSCORED, Report, write

RESULTS: Final = PLACE / "results"
"""Where the suite writes each check."""
RECORD: Final = ROOT / ".cache" / "scenarios-conformance.json"
"""Where `make scenarios` looks for what came of them."""
SCENARIOS: Final = {LEGACY: "P-5", MODERN: "P-6", "clients": "P-7", "group": "P-14"}
"""The acceptance scenarios that the suite shows."""


async def servers(suite: Suite, setups: Iterable[Setup], revisions: Sequence[str], report: Report) -> None:
    """Judges what stands behind the URL of each setup."""
    for setup in setups:
        async with standing(setup) as (url, folder):
            for revision in revisions:
                results = RESULTS / setup.name / revision
                if revision == LATEST:
                    found = await suite.judge_server_by_latest(url, results)
                else:
                    found = await suite.judge_server(url, revision, results)
                report.servers[setup.name, revision] = found
                print(f"{setup.title}, {revision}: {report.score(setup.name, revision)}")
                tell(found[name] for name in report.failing(setup.name, revision) if name in found)
            if (log := folder / "vmcp.log").exists():
                (RESULTS / setup.name / "vmcp.log").write_text(end_of(log))


async def clients(suite: Suite, revisions: Sequence[str], report: Report) -> None:
    """Judges what the proxy sends to a backend."""
    for name, of_scenario in CLIENTS.items():
        for revision in (each for each in of_scenario if each in revisions):
            for era in ERAS:
                command = [sys.executable, "-W", "ignore", "-m", "tests.conformance.driver", era]
                results = RESULTS / "clients" / revision / era / name
                outcome = await suite.judge_client(name, revision, command, results)
                report.clients[name, revision, era] = outcome
                print(f"{name}, {revision}, {era} client: {'passes' if outcome.passed else 'fails'}")
                tell([outcome])


def tell(outcomes: Iterable[Outcome]) -> None:
    """Says what fails."""
    for outcome in outcomes:
        for failure in outcome.failures:
            print(f"    {outcome.scenario}: {failure}")


def agrees(suite: Suite, report: Report) -> None:
    """Takes from the suite what counts; the page names the same."""
    for revision in REVISIONS:
        report.scored[revision] = suite.scored(revision)
        unscored = tuple(sorted(suite.unscored(revision)))
        if len(report.scored[revision]) != SCORED[revision] or unscored != UNSCORED[revision]:
            raise FailedError(f"the suite names other scenarios for {revision} than tests/conformance/table.py")


def record(report: Report) -> bool:
    """Keeps the outcomes beside those of the tests; whether all that counts has passed."""
    passed: dict[str, list[bool]] = {}
    for name, revision in report.servers:
        counts = any(setup.name == name and setup.counts and not setup.is_direct for setup in SETUPS)
        if revision in SCENARIOS and counts:
            is_passed = not report.failing(name, revision)
            passed.setdefault(SCENARIOS[revision], []).append(is_passed)
            if name in SCENARIOS:
                passed.setdefault(SCENARIOS[name], []).append(is_passed)
    for outcome in report.clients.values():
        passed.setdefault(SCENARIOS["clients"], []).append(outcome.passed or outcome.is_of_handshake)
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({name: ["passed" if all(each) else "failed"] for name, each in passed.items()}))
    return all(all(each) for each in passed.values())


async def run(options: argparse.Namespace) -> Report:
    """All that was chosen."""
    modules = await installed()
    suite = Suite(await node(modules), modules)
    report = Report()
    agrees(suite, report)
    setups = [setup for setup in SETUPS if setup.name in options.setups]
    await servers(suite, setups, options.revisions, report)
    if "clients" in options.setups:
        await clients(suite, options.revisions, report)
    return report


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    named = [*(setup.name for setup in SETUPS), "clients"]
    parser.add_argument("--revisions", nargs="+", choices=[*REVISIONS, LATEST], default=[*REVISIONS, LATEST])
    parser.add_argument("--setups", nargs="+", choices=named, default=named, help="default: all, one after the other")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md anew; needs all of them")
    options = parser.parse_args()
    if options.write and (len(options.setups) < len(named) or LATEST not in options.revisions):
        parser.error("--write needs all setups and revisions")
    shutil.rmtree(RESULTS, ignore_errors=True)
    RECORD.unlink(missing_ok=True)
    try:
        report = asyncio.run(run(options))
    except FailedError as error:
        print(error, file=sys.stderr)
        return 1
    if options.write:
        write(report)
    passed = record(report)
    print(f"{'conforms' if passed else 'DOES NOT CONFORM'}; each check: {RESULTS}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
