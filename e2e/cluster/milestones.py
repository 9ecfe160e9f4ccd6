"""Files by which the node's first process and the machine's side tell each other how far they are."""

from enum import StrEnum
from pathlib import Path

from e2e.cluster.layout import Layout


class Milestone(StrEnum):
    """A step on the way up."""

    API_READY = "api-ready"
    OBJECTS_MADE = "objects-made"
    DNS_READY = "dns-ready"


def reach(at: Layout, milestone: Milestone) -> None:
    """Says that a step is done."""
    (at.run / milestone).touch()


def is_reached(at: Layout, milestone: Milestone) -> bool:
    """Whether a step is done."""
    return (at.run / milestone).exists()


def pid_file(at: Layout, component: str) -> Path:
    """Holds a running component's number, as it counts inside the node."""
    return at.run / f"{component}.pid"


def hold_file(at: Layout, component: str) -> Path:
    """While it exists, an ended component is not started again."""
    return at.run / f"{component}.hold"
