"""Where an event stream of a backend's stands, and when to ask for the rest (MCP, "Resumability and Redelivery")."""

from dataclasses import dataclass
from typing import Final

from vmcp_proxy.protocol.sse import Event

_USUAL_PAUSE: Final = 1.0
_LEAST_PAUSE: Final = 0.1
_MOST_PAUSE: Final = 30.0
_LONG_STREAM: Final = 30.0
_MOST_ID_BYTES: Final = 4096
"""A longer id would not fit into the headers that servers take; its stream cannot be resumed."""


@dataclass(slots=True)
class Position:
    """The last event id of a stream, byte for byte, and the pause that its server asks for, in seconds.

    Without an id the rest of a stream cannot be had.
    """

    last_id: bytes | None = None
    retry: float | None = None
    _poor: int = 0
    _heard: bool = False

    def take(self, event: Event) -> None:
        """Notes an event."""
        self._heard = True
        if event.id is not None:
            self.last_id = event.id if 0 < len(event.id) <= _MOST_ID_BYTES else None
        if event.retry is not None:
            self.retry = min(event.retry / 1000, _MOST_PAUSE)

    def ended(self, lived: float) -> None:
        """Notes that the stream is over after so many seconds.

        One that brings nothing, or that cannot be resumed and ends at once, is poor: several of them in a row
        are asked for ever less often.
        """
        is_fine = lived >= _LONG_STREAM or (self._heard and self.last_id is not None)
        self._poor = 0 if is_fine else self._poor + 1
        self._heard = False

    def pause(self) -> float:
        """How long to wait before asking again, in seconds."""
        grown = 2.0 ** (min(self._poor, 10) - 2) if self._poor > 1 else 0.0
        if self.last_id is None:
            return min(max(self.retry or 0.0, grown), _MOST_PAUSE)
        asked = _USUAL_PAUSE if self.retry is None else max(self.retry, _LEAST_PAUSE)
        return min(max(asked, grown), _MOST_PAUSE)
