"""What became of spans, over every reload."""

import threading


class SpanCounts:
    """Numbers of spans; `overflowed` is written on the event loop alone, the others by the threads that send."""

    __slots__ = ("_lock", "_lost", "overflowed", "sent")

    def __init__(self) -> None:
        # Two threads send while a reload has one output take the place of another.
        self._lock = threading.Lock()
        self._lost = 0
        self.overflowed = 0
        self.sent = 0

    @property
    def dropped(self) -> int:
        """Spans that were recorded and have reached no collector."""
        return self.overflowed + self._lost

    def send(self, count: int) -> None:
        """Counts what a collector has taken."""
        with self._lock:
            self.sent += count

    def lose(self, count: int) -> None:
        """Counts what could not be sent, or was refused."""
        with self._lock:
            self._lost += count
