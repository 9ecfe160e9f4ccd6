"""Lists the acceptance scenarios of a document beside what a test run recorded for them."""

import json
import re
import sys
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


def main(document: Path, record: Path) -> int:
    """Prints a line for each scenario and the sums; 1 where a tagged test failed or an id is unknown."""
    scenarios = read_scenarios(document.read_text())
    seen: dict[str, list[str]] = json.loads(record.read_text())
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
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
