"""A phase with its reason: what every kind's status and events are told by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """A phase with its stable reason and words for a person.

    `again` is in seconds: when time alone may have changed it.
    """

    phase: str
    reason: str
    message: str
    again: float | None = None
