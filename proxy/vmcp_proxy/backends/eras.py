"""The protocols that one backend speaks, as far as they have been met, and what its refusals say of them (ADR-0060)."""

from http import HTTPStatus
from typing import Final

from vmcp_proxy.protocol.error_codes import HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION
from vmcp_proxy.protocol.methods import Era

REFUSED_SECONDS: Final = 300.0
"""How long a refused protocol is not tried again: servers are upgraded."""
NO_SESSIONS_SECONDS: Final = 3600.0
"""The same of what costs a process to find out, and of a server that speaks the modern protocol alone."""
DOUBT_SECONDS: Final = 30.0
"""The same where the answer has not shown whether it is spoken."""

_OF_THE_MOMENT: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that speak of this request, or of this moment, and of no protocol."""
_MODERN_CODES: Final = frozenset({HEADER_MISMATCH, MISSING_CAPABILITY})


def is_not_modern(status: int, code: int | None) -> bool:
    """Whether a refusal of `server/discover` says that the server does not speak MCP 2026-07-28.

    `code` is that of the JSON-RPC error in its body. Former servers refuse an unknown method, or a request without a
    session, in whatever way they like.
    """
    if status in _OF_THE_MOMENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    if status == HTTPStatus.BAD_REQUEST:
        # Of the three codes of the modern protocol only this one says that it is another revision of it.
        return code not in _MODERN_CODES
    return True


def refuses_revision(code: int | None) -> bool:
    """Whether the error of any request says that the server does not speak the revision that it was sent in."""
    return code == UNSUPPORTED_VERSION


class Eras:
    """What is known of one backend; times are of the event loop."""

    __slots__ = ("_not_before", "_spoken")

    def __init__(self) -> None:
        self._spoken: frozenset[Era] = frozenset()
        self._not_before: dict[Era, float] = {}

    def __repr__(self) -> str:
        return f"<Eras {sorted(era.value for era in self._spoken)}>"

    @property
    def spoken(self) -> frozenset[Era]:
        """Those that it has answered in."""
        return self._spoken

    def is_open(self, era: Era, now: float) -> bool:
        """Whether it is not known if it speaks this, and worth asking."""
        return era not in self._spoken and now >= self._not_before.get(era, now)

    def met(self, era: Era) -> None:
        """It speaks this."""
        self._not_before.pop(era, None)
        if era not in self._spoken:
            self._spoken |= {era}

    def missed(self, era: Era, until: float) -> None:
        """It does not, or has not shown that it does; it is not asked again before that time."""
        self._not_before[era] = until
        self._spoken -= {era}

    def forget(self) -> None:
        """It has refused what it spoke before: everything may be otherwise now."""
        self._spoken = frozenset()
        self._not_before.clear()
