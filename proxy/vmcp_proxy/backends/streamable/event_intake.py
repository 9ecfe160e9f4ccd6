"""Events of an answer, read off its stream as the bytes come, within what all answers may hold."""

from typing import Final

from vmcp_proxy.backends.budget import Lease
from vmcp_proxy.http_client import Response
from vmcp_proxy.protocol.sse import Event, EventTooLargeError, SseParser


class EventIntake:
    """Takes bytes of one response until somebody has to look: at events, at an error, or for room for more.

    A large event comes in dozens of reads, each of which would wake a task for nothing.
    """

    __slots__ = ("_error", "_events", "_lease", "_parser", "_response")

    def __init__(self, response: Response, max_event_bytes: int, lease: Lease) -> None:
        self._response: Final = response
        self._lease: Final = lease
        self._parser: Final = SseParser(max_event_bytes)
        self._events: list[Event] = []
        self._error: EventTooLargeError | None = None

    @property
    def held(self) -> int:
        """Bytes of the unfinished event."""
        return self._parser.held

    @property
    def are_over(self) -> bool:
        """Whether the stream has ended and all of its events were handed out."""
        response = self._response
        return response.complete and not response.size and not self._events and self._error is None

    def take(self) -> bool:
        """Reads what has arrived; whether there is something for `taken`, or no room for more."""
        if self._error is None:
            try:
                for part in self._response.take_parts():
                    self._events += self._parser.feed(part)
            except EventTooLargeError as error:
                self._error = error
        return bool(self._events) or self._error is not None or not self._lease.try_hold(self._parser.held)

    def taken(self) -> list[Event]:
        """The events that were not handed out yet.

        Raises:
            EventTooLargeError: one is larger than the bound, and all before it were handed out.
        """
        if self._error is not None and not self._events:
            raise self._error
        events, self._events = self._events, []
        return events

    def forget(self) -> None:
        """Drops what has come; whoever holds this, such as an error's traceback, holds no more of it."""
        self._parser.forget()
        self._events = []
