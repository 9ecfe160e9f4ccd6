"""A phase with its reason: what every kind's status and events are told by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """A phase with its stable reason and words for a person."""

    phase: str
    reason: str
    message: str
