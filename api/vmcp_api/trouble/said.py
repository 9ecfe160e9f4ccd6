"""A cause as it is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

MESSAGE_LIMIT: Final = 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why pods do not run or are not ready: a stable reason and words for a person.

    `again` is in seconds: when time alone may have ended it.
    """

    reason: str
    message: str
    again: float | None = None


def moment(text: str | None) -> datetime | None:
    """A time as the API server writes it; None where there is none."""
    return None if not text else datetime.fromisoformat(text)
