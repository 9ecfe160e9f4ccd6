"""The tie between one client session and one backend: opened once, reused, opened anew when the session is lost."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias, TypeVar

from vmcp_proxy.backends.credentials import Credentials, headers_from
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import (
    CANCELLED,
    BackendError,
    Category,
    CredentialsRefusedError,
    SessionBrokenError,
    SessionLostError,
)
from vmcp_proxy.backends.interface import UNTRACED, Backend, BackendSession, Receiver, RequestSpan, Terms
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.jsonrpc import Raw, Response

ResultT = TypeVar("ResultT")

_FAREWELL_SECONDS: Final = 5.0
"""How long the end of a session waits for the credentials that it is told with."""
_MOST_LOSSES: Final = 2
"""Sessions that a backend may forget within one call: the second may be one that was opened before it forgot."""

OnOver: TypeAlias = Callable[[str, str, str, float], None]
"""Hears of a session that is over: the backend, its revision of MCP, what broke it (else empty), its seconds."""

OnOpened: TypeAlias = Callable[["Link", BackendSession], Awaitable[None]]
"""Hears of a session that was opened anew, to store its token and to restore what belongs to it."""


def _unheard(_backend: str, _revision: str, _error: str, _seconds: float) -> None:
    """Nobody counts."""


class Link:
    """Holds at most one `BackendSession`; concurrent first requests share one `initialize` (ADR-0012).

    `terms` are those that its sessions are opened on; `token` resumes one that another process opened; `owner` is what
    its programs count for: the client session, `SessionOf` a caller, or `CallsOf` one.
    `generation` counts the sessions opened here, `revision` is that of MCP in the last one, which may be over. A closed
    link opens nothing any more; one that is being opened meanwhile ends what it gets. `end` cuts off what is in flight
    as well. `on_over` hears once of each session that was opened here: of one that is resumed nobody knows when it
    began.
    """

    __slots__ = (
        "_began",
        "_idle",
        "_in_flight",
        "_on_opened",
        "_on_over",
        "_opened",
        "_opening",
        "_owner",
        "_session",
        "_terms",
        "backend",
        "closed",
        "generation",
        "revision",
    )

    def __init__(
        self,
        backend: Backend,
        terms: Terms,
        on_opened: OnOpened,
        token: bytes | None = None,
        owner: object = None,
        on_over: OnOver = _unheard,
    ) -> None:
        self.backend = backend
        self.generation = 0
        self.revision = ""
        self.closed = False
        self._terms = terms
        self._on_opened = on_opened
        self._owner = owner
        self._on_over = on_over
        self._began = 0.0
        """When the session was opened here; 0 where it was not, or its end has been told."""
        self._opening: asyncio.Lock | None = None
        self._in_flight: dict[asyncio.Task[Any], bool] = {}
        """Tasks that wait for the backend, and whether `end` has cancelled them."""
        self._opened: asyncio.Event | None = None
        self._idle: asyncio.Event | None = None
        self._session = backend.resume(token) if token else None
        if self._session is not None:
            self.revision = self._session.hello.version

    @property
    def session(self) -> BackendSession | None:
        """The open session, where there is one."""
        return self._session

    async def opened(self, credentials: Credentials, deadline: Deadline) -> BackendSession:
        """The session, opened now if need be.

        Raises:
            BackendError: it cannot be had.
        """
        session = self._session
        if session is not None:
            return session
        opening = self._let_in(credentials, deadline, lambda headers: self._open(headers, deadline, lost=None))
        return await self._until_end(opening)

    def request(
        self,
        method: str,
        params_for: Callable[[int], Raw | None],
        credentials: Credentials,
        deadline: Deadline,
        receiver: Receiver,
        span: RequestSpan = UNTRACED,
    ) -> Coroutine[Any, Any, Response]:
        """Sends one request; `params_for` gets the request id, which is the progress token too.

        The credentials come with each request: those of one client session may differ from one to the next. Of a
        request that the backend did not let in, or whose session it has forgotten, nothing was executed: it goes out
        again, once with other credentials where there are any, and up to twice in a session that is opened anew.

        Raises:
            BackendError: there is no answer.
        """
        return self._until_end(self._request(method, params_for, credentials, deadline, receiver, span))

    async def listen(self, credentials: Credentials, receiver: Receiver, deadline: Deadline) -> bool:
        """Receives what the backend says outside of calls; see `BackendSession.listen`.

        Raises:
            BackendError: the stream broke.
        """
        session = await self.opened(credentials, deadline)
        return await self._let_in(
            credentials, deadline, lambda headers: self._listen(session, headers, receiver, deadline)
        )

    async def ask(
        self,
        session: BackendSession,
        method: str,
        params: Raw | None,
        credentials: Credentials,
        receiver: Receiver,
        deadline: Deadline,
    ) -> Response:
        """Sends one request in this very session, which is not opened again where it is lost.

        Raises:
            BackendError: there is no answer.
        """
        return await self._let_in(
            credentials,
            deadline,
            lambda headers: session.request(session.next_id(), method, params, headers, deadline, receiver),
        )

    async def notify(
        self, session: BackendSession, method: str, params: Raw | None, credentials: Credentials, deadline: Deadline
    ) -> None:
        """Sends one notification in this very session.

        Raises:
            BackendError: it could not be sent.
        """
        await self._let_in(credentials, deadline, lambda headers: session.notify(method, params, headers))

    async def opened_after(self, generation: int) -> None:
        """Waits until a session was opened after that one."""
        while self.generation <= generation:
            if self._opened is None:
                self._opened = asyncio.Event()
            await self._opened.wait()

    async def idle(self) -> None:
        """Waits for the requests in flight; each of them has a deadline."""
        if self._in_flight:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def end(self) -> None:
        """Closes the link and cuts off what is in flight: the client's session is over, its headers must go."""
        self.closed = True
        self._tell_over()
        for task in self._in_flight:
            if not task.cancelling():
                self._in_flight[task] = True
                task.cancel()

    async def close(self, credentials: Credentials) -> None:
        """Ends the session at the backend where one is open; here it ends whether or not the backend can be told."""
        self.closed = True
        self._tell_over()
        session, self._session = self._session, None
        if session is None:
            return
        deadline = Deadline.after(asyncio.get_running_loop().time(), _FAREWELL_SECONDS)
        headers: OutgoingHeaders = ()
        with contextlib.suppress(BackendError):
            headers = await headers_from(credentials, self.backend.name, deadline)
        await session.close(headers)

    async def _until_end(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._in_flight[task] = False
        try:
            return await work
        except asyncio.CancelledError:
            if self._in_flight[task] and task.uncancel() == 0:
                raise self._ended() from None
            raise
        finally:
            del self._in_flight[task]
            if self._idle is not None and not self._in_flight:
                self._idle.set()

    async def _request(
        self,
        method: str,
        params_for: Callable[[int], Raw | None],
        credentials: Credentials,
        deadline: Deadline,
        receiver: Receiver,
        span: RequestSpan,
    ) -> Response:
        """As `_let_in`, which would cost every call a frame more."""
        headers = credentials.current()
        if headers is None:
            headers = await headers_from(credentials, self.backend.name, deadline)
        session, lost, may_renew, losses = self._session, None, True, 0
        while True:
            try:
                if session is None:
                    session = await self._open(headers, deadline, lost, span)
                request_id = session.next_id()
                return await session.request(
                    request_id, method, params_for(request_id), headers, deadline, receiver, span.headers
                )
            except SessionLostError:
                if session is None or losses == _MOST_LOSSES:
                    raise
                session, lost, losses = None, session, losses + 1
                span.resent("session_lost")
            except CredentialsRefusedError:
                if not may_renew or not credentials.refused(headers):
                    raise
                may_renew = False
                span.resent("credentials_refused")
                headers = await headers_from(credentials, self.backend.name, deadline)
            except SessionBrokenError as error:
                if self._session is session:
                    self._tell_over(error.category.value)
                    self._session = None
                raise

    async def _let_in(
        self, credentials: Credentials, deadline: Deadline, work: Callable[[OutgoingHeaders], Awaitable[ResultT]]
    ) -> ResultT:
        """Does the work; once more with other credentials, where the backend did not take these."""
        headers = await headers_from(credentials, self.backend.name, deadline)
        try:
            return await work(headers)
        except CredentialsRefusedError:
            if not credentials.refused(headers):
                raise
        return await work(await headers_from(credentials, self.backend.name, deadline))

    async def _listen(
        self, session: BackendSession, headers: OutgoingHeaders, receiver: Receiver, deadline: Deadline
    ) -> bool:
        try:
            return await session.listen(headers, receiver)
        except SessionLostError:
            session = await self._open(headers, deadline, lost=session)
            return await session.listen(headers, receiver)

    async def _open(
        self,
        headers: OutgoingHeaders,
        deadline: Deadline,
        lost: BackendSession | None,
        span: RequestSpan = UNTRACED,
    ) -> BackendSession:
        if self._opening is None:
            self._opening = asyncio.Lock()
        await self._wait_for_turn(self._opening, deadline)
        try:
            if self._session is not None and self._session is not lost:
                return self._session
            self._tell_over("session_lost")
            self._session = None
            self._check_open()
            session = await self._begin(headers, deadline, span.opening())
            try:
                self._check_open()
            except BackendError:
                await session.close(headers)
                raise
            self._session, self._began = session, time.monotonic()
            self.revision = session.hello.version
            self.generation += 1
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.set()
            await self._tell_opened(session, deadline)
            return session
        finally:
            self._opening.release()

    async def _tell_opened(self, session: BackendSession, deadline: Deadline) -> None:
        """Has restored what belongs to the session, within the time of the call that has opened it."""
        try:
            async with asyncio.timeout_at(deadline.at):
                await self._on_opened(self, session)
        except TimeoutError as error:
            # The session stands: those who come next go on in it.
            raise BackendError(self.backend.name, Category.TIMEOUT) from error

    async def _begin(self, headers: OutgoingHeaders, deadline: Deadline, span: RequestSpan) -> BackendSession:
        outcome = CANCELLED
        try:
            try:
                session = await self.backend.open(self._terms, headers, deadline, self._owner)
            except SessionLostError:
                # Forgotten between the two halves of the handshake: nothing was executed.
                span.resent("session_lost")
                session = await self.backend.open(self._terms, headers, deadline, self._owner)
            outcome = ""
        except BackendError as error:
            outcome = error.category.value
            raise
        finally:
            span.end(outcome)
        return session

    async def _wait_for_turn(self, opening: asyncio.Lock, deadline: Deadline) -> None:
        """Waits while somebody else opens, who may have more time than we have."""
        try:
            async with deadline.bound():
                await opening.acquire()
        except TimeoutError as error:
            raise BackendError(self.backend.name, Category.TIMEOUT) from error

    def _tell_over(self, error: str = "") -> None:
        began, self._began = self._began, 0.0
        if began and self._session is not None:
            self._on_over(self.backend.name, self._session.hello.version, error, time.monotonic() - began)

    def _check_open(self) -> None:
        if self.closed:
            raise self._ended()

    def _ended(self) -> BackendError:
        return BackendError(self.backend.name, Category.ENDED, "the client's session has ended")
