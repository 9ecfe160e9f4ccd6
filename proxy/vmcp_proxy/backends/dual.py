"""A backend that may speak both protocols called MCP: a client's own is spoken where it can be (ADR-0060)."""

import asyncio
import logging
from typing import Final, Protocol

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import DOUBT_SECONDS, REFUSED_SECONDS, Eras
from vmcp_proxy.backends.errors import BackendError, Category, NotModernError, SessionLostError
from vmcp_proxy.backends.interface import Backend, BackendSession, Terms
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.protocol.methods import Era

logger: Final = logging.getLogger("vmcp.backends")

_LOOK_SECONDS: Final = 2.0
"""How long the proxy's own session waits to know whether the other protocol is spoken, too."""
_PROBE_SECONDS: Final = 5.0
"""How long a server may take to say that it speaks the modern protocol, before the former one is tried."""

_REFUSALS: Final = frozenset({Category.REFUSED, Category.PROTOCOL, Category.FAILED, Category.NOT_RUNNING})
"""What a server may make of a handshake, or of a request, in a protocol that it does not speak."""


class Opens(Protocol):
    """Opens sessions in the modern protocol."""

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`.

        Raises:
            NotModernError: it is certain that the protocol is not spoken.
            BackendError: it cannot be had.
        """

    async def aclose(self) -> None:
        """See `Backend.aclose`."""


class DualBackend:
    """Two backends that are one server, `eras` being what is known of it.

    A server may have tools that work in one protocol only. So a session is opened in the protocol of its client where
    the server speaks it, and in the other one where it does not. A legacy client costs no server a request more; the
    proxy's own session finds out beside its handshake whether the modern protocol is spoken, and so does a handshake
    that is refused.
    """

    def __init__(self, legacy: Backend, modern: Opens, eras: Eras) -> None:
        self.name = legacy.name
        self.takes_headers = legacy.takes_headers
        self._legacy = legacy
        self._modern = modern
        self._eras = eras

    def __repr__(self) -> str:
        return f"<DualBackend {self.name} {self._eras!r}>"

    @property
    def eras(self) -> frozenset[Era]:
        """See `Backend.eras`."""
        return self._eras.spoken

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`."""
        if terms.era is Era.MODERN:
            return await self._open_modern_first(terms, headers, deadline, owner)
        session = await self._open_legacy_first(terms, headers, deadline, owner)
        if owner is None and self._eras.is_open(Era.MODERN, _now()):
            await self._look(terms, headers, deadline)
        return session

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`: what can be resumed is a session of the legacy protocol."""
        return self._legacy.resume(token)

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        await self._legacy.aclose()
        await self._modern.aclose()

    async def _open_legacy_first(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object
    ) -> BackendSession:
        eras = self._eras
        if Era.MODERN in eras.spoken and Era.LEGACY not in eras.spoken and not eras.is_open(Era.LEGACY, _now()):
            try:
                return await self._modern.open(terms, headers, deadline, owner)
            except NotModernError:
                eras.forget()
        try:
            session = await self._legacy.open(terms, headers, deadline, owner)
        except BackendError as error:
            may_be_modern = Era.MODERN in eras.spoken or eras.is_open(Era.MODERN, _now())
            if error.category not in _REFUSALS or isinstance(error, SessionLostError) or not may_be_modern:
                raise
            refused = error
        else:
            eras.met(Era.LEGACY)
            return session
        try:
            session = await self._open_modern(terms, headers, deadline, owner)
        except BackendError as error:
            raise refused from error
        eras.missed(Era.LEGACY, _now() + REFUSED_SECONDS)
        log_event(logger, logging.INFO, "backend speaks the protocol without sessions alone", name=self.name)
        return session

    async def _open_modern_first(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object
    ) -> BackendSession:
        eras = self._eras
        if Era.MODERN in eras.spoken:
            try:
                return await self._modern.open(terms, headers, deadline, owner)
            except NotModernError:
                eras.forget()
        refused: BackendError | None = None
        if eras.is_open(Era.MODERN, _now()):
            try:
                return await self._open_modern(terms, headers, _sooner(deadline, _PROBE_SECONDS), owner)
            except BackendError as error:
                if error.category in (Category.UNREACHABLE, Category.CREDENTIALS, Category.ENDED, Category.FULL):
                    raise
                refused = error
        try:
            session = await self._legacy.open(terms, headers, deadline, owner)
        except BackendError as error:
            if refused is not None and not isinstance(refused, NotModernError):
                error.told += f"; the protocol without sessions too: {refused.told}"
            raise
        eras.met(Era.LEGACY)
        return session

    async def _open_modern(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object
    ) -> BackendSession:
        """Opens a session in the modern protocol, and notes whether that is spoken."""
        eras = self._eras
        try:
            session = await self._modern.open(terms, headers, deadline, owner)
        except NotModernError:
            eras.missed(Era.MODERN, _now() + REFUSED_SECONDS)
            raise
        except BackendError:
            eras.missed(Era.MODERN, _now() + DOUBT_SECONDS)
            raise
        eras.met(Era.MODERN)
        return session

    async def _look(self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline) -> None:
        """Finds out whether the modern protocol is spoken, too; what it finds is no failure of anybody's."""
        try:
            session = await self._open_modern(terms, headers, _sooner(deadline, _LOOK_SECONDS), None)
        except BackendError:
            return
        await session.close(headers)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _sooner(deadline: Deadline, seconds: float) -> Deadline:
    return Deadline.after(_now(), max(min(deadline.at - _now(), seconds), 0.0))
