"""Whom a message is for that came over a channel which many requests share (ADR-0024)."""

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from vmcp_proxy.backends.channel.mailbox import MOST_BYTES, Mailbox
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.messages import is_ping, number_of
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.params import InvalidParamsError

_FOR_LISTENERS: Final = frozenset(
    {
        "notifications/elicitation/complete",
        "notifications/resources/updated",
        "notifications/subscriptions/acknowledged",
    }
)


class Demultiplexer:
    """Sorts messages into the mailboxes of calls and listeners.

    Answers go by id, progress by its token. A change of a list or a resource goes to every listener. The rest
    names nobody: it goes to the only call in flight. With several, or none, it goes to the listener of the
    session, or else to the oldest call. On a channel that client sessions share nobody can say whose it is:
    then it goes to nobody, and requests never reach a client.
    """

    def __init__(self, *, is_shared: bool, max_bytes: int = MOST_BYTES) -> None:
        self._is_shared = is_shared
        self._max_bytes = max_bytes
        self._calls: dict[int, Mailbox] = {}
        self._listeners: dict[Mailbox, None] = {}

    def __repr__(self) -> str:
        return f"<Demultiplexer calls={len(self._calls)} listeners={len(self._listeners)}>"

    @contextlib.contextmanager
    def calling(self, request_id: int) -> Iterator[Mailbox]:
        """The mailbox of a call, for as long as it lasts."""
        mailbox = self._calls[request_id] = Mailbox(self._max_bytes)
        try:
            yield mailbox
        finally:
            self._calls.pop(request_id, None)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Mailbox]:
        """The mailbox of a listener, for as long as it listens."""
        mailbox = Mailbox(self._max_bytes)
        self._listeners[mailbox] = None
        try:
            yield mailbox
        finally:
            del self._listeners[mailbox]

    def sort(self, message: jsonrpc.Message, size: int) -> jsonrpc.Request | None:
        """Puts a message of so many bytes where it belongs; a request that nobody takes is returned."""
        match message:
            case jsonrpc.Response():
                # Whatever comes after the answer is no business of the call.
                number = number_of(message.id)
                mailbox = None if number is None else self._calls.pop(number, None)
                if mailbox is not None:
                    mailbox.put(message, size)
            case jsonrpc.Notification():
                for mailbox in self._takers(message):
                    mailbox.put(message, size)
            case jsonrpc.Request():
                taker = None if self._is_shared or is_ping(message) else self._taker()
                if taker is None or not taker.put(message, size):
                    return message
            case jsonrpc.Malformed():
                pass
        return None

    def end(self, error: BackendError) -> None:
        """Tells everybody who waits that nothing comes any more."""
        for mailbox in (*self._calls.values(), *self._listeners):
            mailbox.put(error)

    def _takers(self, message: jsonrpc.Notification) -> tuple[Mailbox, ...]:
        method = message.method
        if method == "notifications/progress":
            called = self._calls.get(_progress_token(message.params))
            return () if called is None else (called,)
        if self._listeners and (method.endswith("/list_changed") or method in _FOR_LISTENERS):
            return tuple(self._listeners)
        taker = self._taker()
        return () if taker is None else (taker,)

    def _taker(self) -> Mailbox | None:
        calls = iter(self._calls.values())
        if len(self._calls) == 1:
            return next(calls)
        if self._is_shared:
            return None
        return next(iter(self._listeners), None) or next(calls, None)


def _progress_token(raw: msgspec.Raw | None) -> int:
    """The request that a progress notification is about; 0, which no request has, where it names none."""
    try:
        token = bytes(params.parse_members(raw).get("progressToken", msgspec.Raw(b"")))
    except InvalidParamsError:
        return 0
    return number_of(token) or 0
