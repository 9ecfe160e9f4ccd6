"""A backend that may speak both protocols called MCP: a client's own is spoken where it can be (ADR-0060)."""

import asyncio
import logging
from typing import Final, Protocol

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import DOUBT_SECONDS, NO_SESSIONS_SECONDS, REFUSED_SECONDS, Eras
from vmcp_proxy.backends.errors import BackendError, Category, NotModernError, SessionLostError
from vmcp_proxy.backends.interface import Backend, BackendSession, Terms
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.versions import MODERN

logger: Final = logging.getLogger("vmcp.backends")

_PROBE_SECONDS: Final = 5.0
"""How long a server may take to say that it speaks the modern protocol, before the former one is tried; and no more
than half of the time that there is."""

_REFUSALS: Final = frozenset({Category.REFUSED, Category.PROTOCOL, Category.FAILED})
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
    the server speaks it, and in the other one where it does not. The proxy's own session is in the modern protocol
    where that is spoken: a server that knows no other is not asked for a session before a client wants one. A program
    (`is_program`) is asked for one first: some end for want of it, and each protocol takes a process of its own.
    """

    def __init__(self, legacy: Backend, modern: Opens, eras: Eras, *, is_program: bool = False) -> None:
        self.name = legacy.name
        self.takes_headers = legacy.takes_headers
        self._legacy = legacy
        self._modern = modern
        self._eras = eras
        self._is_program = is_program
        self._revisions: dict[Era, str] = {}

    def __repr__(self) -> str:
        return f"<DualBackend {self.name} {self._eras!r}>"

    @property
    def revisions(self) -> tuple[str, ...]:
        """See `Backend.revisions`."""
        return tuple(sorted(self._revisions[era] for era in self._eras.spoken if era in self._revisions))

    def is_apart(self, era: Era) -> bool:
        """See `Backend.is_apart`."""
        eras = self._eras
        if self._is_program and Era.LEGACY in eras.spoken:
            own = Era.LEGACY
        elif Era.MODERN in eras.spoken:
            own = Era.MODERN
        else:
            return False
        return era is not own and (era in eras.spoken or eras.is_open(era, _now()))

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`."""
        is_modern_first = terms.era is Era.MODERN or (owner is None and not self._is_program)
        opening = self._open_modern_first if is_modern_first else self._open_legacy_first
        session = await opening(terms, headers, deadline, owner)
        version = session.hello.version
        self._revisions[Era.MODERN if version == MODERN else Era.LEGACY] = version
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
        eras.missed(Era.LEGACY, _now() + NO_SESSIONS_SECONDS)
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
                # No semicolon: what stands behind one is what to do.
                same = refused.told == error.told
                error.told += ", and so in the protocol without sessions" + ("" if same else f": {refused.told}")
            raise
        eras.met(Era.LEGACY)
        if refused is not None and not isinstance(refused, NotModernError):
            eras.missed(Era.MODERN, _now() + DOUBT_SECONDS)
        return session

    async def _open_modern(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object
    ) -> BackendSession:
        """Opens a session in the modern protocol, and notes whether that is spoken."""
        eras = self._eras
        try:
            session = await self._modern.open(terms, headers, deadline, owner)
        except NotModernError:
            eras.missed(Era.MODERN, _now() + (NO_SESSIONS_SECONDS if self._is_program else REFUSED_SECONDS))
            raise
        except BackendError as error:
            if self._is_program or error.category is Category.TIMEOUT:
                eras.missed(Era.MODERN, _now() + DOUBT_SECONDS)
            # One that fails for both protocols is not up yet: when it is, it is asked again.
            raise
        eras.met(Era.MODERN)
        return session


def _now() -> float:
    return asyncio.get_running_loop().time()


def _sooner(deadline: Deadline, seconds: float) -> Deadline:
    left = deadline.at - _now()
    return Deadline.after(_now(), max(min(left / 2, seconds), 0.0))
