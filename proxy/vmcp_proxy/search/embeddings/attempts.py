"""When a server that gave no vectors is asked again; pure, told the time."""

from typing import Final

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


class Attempts:
    """Counts what failed in a row; times are in seconds of one clock."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self.until = 0.0
        """When it may be asked again."""
        self.reason = ""
        """Why the last attempt failed; empty after one that did not."""

    def succeeded(self) -> None:
        """Hears that there were vectors."""
        self._in_a_row, self.until, self.reason = 0, 0.0, ""

    def failed(self, reason: str, now: float, retry_after: float = 0.0) -> float:
        """Hears that there were none; the pause from now on, twice the last one, or what the server asks for."""
        pause = max(min(_FIRST_PAUSE * (1 << self._in_a_row), _LONGEST_PAUSE), retry_after)
        # Beyond ten in a row the pause grows no more.
        self._in_a_row = min(self._in_a_row + 1, 10)
        self.until, self.reason = max(self.until, now + pause), reason
        return pause
