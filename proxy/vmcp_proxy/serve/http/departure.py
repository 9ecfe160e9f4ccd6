"""Tells the request that is being answered that its client has gone."""

from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class TellsDeparture:
    """The part of a connection that does so: `on_gone` hears it, once."""

    on_gone: Callable[[], None] | None = None

    def tell_gone(self) -> None:
        """The client has closed its connection, or its side of it."""
        told, self.on_gone = self.on_gone, None
        if told is not None:
            told()


def tell_cycle(served: RequestResponseCycle) -> None:
    """Has a request that is being answered find, when it next asks or sends, that its client has gone."""
    if not served.response_complete:
        served.disconnected = True
        served.message_event.set()
