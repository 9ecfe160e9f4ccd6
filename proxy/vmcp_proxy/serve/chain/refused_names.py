"""The hosts and origins that were refused, told once each to whoever runs the endpoint."""

import logging
from typing import Final

from vmcp_proxy.observability.logs import log_event

MOST_NAMES: Final = 64
"""Anybody may send any name: when so many are known, no other is logged."""

_LONGEST: Final = 256


class RefusedNames:
    """Remembers for the life of the process what was logged."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: Final[set[tuple[str, str]]] = set()

    def note(self, logger: logging.Logger, header: str, value: bytes | None, setting: str) -> None:
        """Logs a refused value of a header at warning, if it is new; `setting` is where it can be allowed."""
        name = clean(value or b"")
        if len(self._known) >= MOST_NAMES or (header, name) in self._known:
            return
        self._known.add((header, name))
        log_event(logger, logging.WARNING, f"requests with this {header} are refused", name=name, setting=setting)


def clean(value: bytes) -> str:
    """A name as it may stand in a log: bounded, printable ASCII, without what stands before an `@`."""
    text = value[-_LONGEST:].decode("latin-1").rpartition("@")[2].lower()
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in text)
