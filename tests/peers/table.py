"""The tables of peers in docs/conformance.md."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from tests.peers.roster import AUTO, CLIENTS, LEGACY, MODERN, SERVERS

Found: TypeAlias = dict[tuple[str, str], dict[str, str]]
"""What was wrong with each step, by peer and era."""

ABSENT: Final = "does not speak it"


def _cell(outcome: Mapping[str, str] | None, steps: tuple[str, ...]) -> str:
    if outcome is None:
        return "not run"
    wrong = [step for step in steps if outcome.get(step, "not done")]
    score = f"{len(steps) - len(wrong)}/{len(steps)}"
    return f"{score}: not {', '.join(wrong)}" if wrong else score


def client_table(found: Found) -> list[str]:
    """A line for each client."""
    rows = [
        [
            peer.title,
            *(
                _cell(found.get((peer.title, era)), peer.steps) if era in peer.eras else ABSENT
                for era in (LEGACY, MODERN, AUTO)
            ),
        ]
        for peer in CLIENTS
    ]
    return lines(["Client", "legacy", "modern", "finds out by itself"], rows)


def server_table(found: Found) -> list[str]:
    """A line for each server."""
    rows = [
        [
            peer.title,
            " and ".join(peer.eras),
            *(_cell(found.get((peer.title, era)), peer.steps) for era in (LEGACY, MODERN)),
        ]
        for peer in SERVERS
    ]
    return lines(["Server", "It speaks", "asked by a legacy client", "asked by a modern client"], rows)


def lines(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows)]
