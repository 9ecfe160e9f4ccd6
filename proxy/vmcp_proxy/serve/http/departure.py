"""Tells the request that is being answered that its client has gone."""

from collections.abc import Callable


class TellsDeparture:
    """The part of a connection that does so: `on_gone` hears it, once."""

    on_gone: Callable[[], None] | None = None

    def tell_gone(self) -> None:
        """The client has closed its connection, or its side of it."""
        told, self.on_gone = self.on_gone, None
        if told is not None:
            told()
