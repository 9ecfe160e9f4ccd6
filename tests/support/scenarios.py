"""Lists the acceptance scenarios of a document beside what test runs recorded for them.

A record holds outcomes by scenario; besides that of pytest there may be those of suites of others (`make conformance`).
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

_SCENARIO = re.compile(r"^- (?P<id>[A-Z]-\d+) (?P<text>.*)$", re.MULTILINE)


def read_scenarios(text: str) -> dict[str, str]:
    """Sentence by id, in the order of the document."""
    return {match["id"]: match["text"] for match in _SCENARIO.finditer(text)}


def state_of(outcomes: list[str]) -> str:
    """What a scenario's tests came to: every one of them must pass."""
    if not outcomes:
        return "no test"
    return "passed" if outcomes == ["passed"] else "FAILED"


def merged(records: Iterable[dict[str, list[str]]]) -> dict[str, list[str]]:
    """All outcomes by scenario, each once."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for name, outcomes in record.items():
            seen.setdefault(name, set()).update(outcomes)
    return {name: sorted(outcomes) for name, outcomes in seen.items()}


def main(document: Path, *records: Path) -> int:
    """Prints a line for each scenario and the sums; 1 where a tagged test failed or an id is unknown."""
    scenarios = read_scenarios(document.read_text())
    seen = merged(json.loads(record.read_text()) for record in records)
    states = {name: state_of(seen.get(name, [])) for name in scenarios}
    for name, sentence in scenarios.items():
        print(f"{states[name]:8} {name:5} {sentence[:100]}")  # noqa: T201 - the point of the program
    unknown = sorted(set(seen) - set(scenarios))
    counts = {state: list(states.values()).count(state) for state in ("passed", "FAILED", "no test")}
    print(f"\n{counts['passed']} passed, {counts['FAILED']} failed, {counts['no test']} without a test")  # noqa: T201
    if unknown:
        print(f"tests name scenarios that the document does not have: {', '.join(unknown)}")  # noqa: T201
    return 1 if counts["FAILED"] or unknown else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
