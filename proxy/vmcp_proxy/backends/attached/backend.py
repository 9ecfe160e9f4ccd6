"""A backend that is the process of a container: attached to for as long as this process lives (ADR-0058)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from vmcp_proxy.backends.attached.session import AttachedSession
from vmcp_proxy.backends.attached.silence import Silence
from vmcp_proxy.backends.attached.stream import AttachError, Pod, Stream
from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.backends.channel.share import Share
from vmcp_proxy.backends.channel.shared import SharedSession
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.handshake import greet, read_hello
from vmcp_proxy.backends.interface import NOBODY, BackendSession, LegacyOnly, Terms
from vmcp_proxy.backends.modern.channel import ChannelTransport
from vmcp_proxy.backends.modern.envelope import Envelope
from vmcp_proxy.backends.modern.session import ModernSession
from vmcp_proxy.backends.programs.stderr import Stderr
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.extensions import PAGES, encode_extensions
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES, encode_client_hello, parse_discovery
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import MODERN

logger: Final = logging.getLogger("vmcp.backends")

_Greeting: TypeAlias = Callable[[AttachedSession, Deadline], Awaitable[None]]

_NO_MASKS: Final = Masks(())
"""The values of the process's Secrets are not known here: what it says is masked by its looks, and only logged."""

_CAPABILITIES: Final = b'{"extensions":%b}' % encode_extensions(PAGES)
"""No capability by which it may ask: what a shared process asks could be for any of its clients.

Pages may be shown by some of them; the others get the same tools, which have to do without (SEP-1865).
"""

_EXPECTED: Final = "its image has to speak MCP on standard input and output"
_UNANSWERED: Final = f"its process has not answered initialize yet; {_EXPECTED}"
_SILENT: Final = "its process was started again, for it did not answer initialize within"

_SLOWER: Final = 3.0
"""How much longer than the last time a process may take to come up."""


def _nothing_else() -> None:
    """A process speaks what it spoke at first, to its end."""


@dataclass(frozen=True, slots=True)
class AttachSettings:
    """Bounds of the attachment; times are in seconds, `max_line` in bytes.

    `patience` is how long one caller waits for the process to come up. `hello` is how long it may take to answer
    `initialize` before its pod is replaced, `hello_again` how long where it has answered before: twice as long after
    each time that it did not. `silence` is how long one that has answered may leave us without a word before its pod
    is replaced. `pauses` stand between two attempts to attach, the last one again and again.
    """

    max_line: int
    patience: float
    software_version: str
    budget: ReadBudget = field(default_factory=ReadBudget, compare=False)
    attach: float = 10.0
    hello: float = 120.0
    hello_again: float = 20.0
    silence: float = 120.0
    pauses: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)


class AttachedBackend(LegacyOnly):
    """One process for all clients, whatever they declare, in the protocol that it speaks; with sessions where it may.

    What it asks in a session is refused, for it does not say of whom.

    It is attached to again whenever the attachment has ended, without waiting for a call. Everything runs in `tasks`.
    """

    takes_headers = False

    def __init__(self, name: str, pod: Pod, settings: AttachSettings, tasks: asyncio.TaskGroup) -> None:
        self.name = name
        self._pod = pod
        self._settings = settings
        self._tasks = tasks
        self._shared = SharedSession(name, self._start, lambda: self.lack, settings.patience, tasks)
        self._running: dict[AttachedSession, asyncio.Task[None]] = {}
        self._is_closed = False
        self._hello = settings.hello
        self._lack = "its process has not been attached to yet"
        self._is_modern_first = False

    @property
    def lack(self) -> str:
        """Why the process cannot be called now; empty where it has been initialised."""
        return "" if self._shared.living else self._lack

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`; everybody shares the same session."""
        del headers, owner
        self._check_open()
        process = await self._shared.get(deadline)
        if process.hello.version != MODERN:
            return Share(process)
        # Each request says whose it is and what its client declares, so that it may ask: by the end of the request.
        way = ChannelTransport(self.name, process, _nothing_else)
        envelope = Envelope(terms.capabilities, self._settings.software_version)
        return ModernSession(way, terms, process.hello, envelope)

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`: an attachment cannot be resumed."""
        del token
        return None

    async def aclose(self) -> None:
        """Lets go of the process."""
        self._is_closed = True
        await self._shared.cancel()
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _start(self) -> AttachedSession:
        """Attaches and initialises, as often as it takes."""
        attempt = 0
        while True:
            self._check_open()
            try:
                return await self._begin()
            except BackendError as error:
                self._note(error.hint or str(error))
            except AttachError as error:
                self._note(str(error))
            await asyncio.sleep(self._settings.pauses[min(attempt, len(self._settings.pauses) - 1)])
            attempt += 1

    async def _begin(self) -> AttachedSession:
        stream = await self._pod.attach(self._settings.attach)
        self._lack = _UNANSWERED
        session = self._launch(stream)
        try:
            await self._initialise(session)
        except BackendError as error:
            await self._end(session)
            if error.category is not Category.TIMEOUT:
                raise
            took = self._hello
            await self._replace()
            raise BackendError(self.name, Category.TIMEOUT, f"{_SILENT} {took:.0f} s; {_EXPECTED}") from error
        except BaseException:
            await self._end(session)
            raise
        log_event(logger, logging.INFO, "attached", backend=self.name, revision=session.hello.version)
        return session

    async def _initialise(self, session: AttachedSession) -> None:
        began = asyncio.get_running_loop().time()
        deadline = Deadline.after(began, self._hello)
        first, second = (self._discover, self._greet) if self._is_modern_first else (self._greet, self._discover)
        try:
            try:
                await first(session, deadline)
            except BackendError as refusal:
                if refusal.category is not Category.REFUSED:
                    raise
                # It has answered: whoever does not know sessions, or knows them alone, takes the other one.
                if not await self._is_answered(second, session, deadline):
                    raise
        except BackendError as error:
            # It ends at a first request that it does not know: next time for the other one. One that says nothing may
            # have lost its input with the attachment before, which tells nothing of what it speaks.
            self._is_modern_first ^= error.category is Category.NOT_RUNNING
            raise
        self._is_modern_first = session.hello.version == MODERN
        took = asyncio.get_running_loop().time() - began
        self._hello = max(self._settings.hello_again, _SLOWER * took)

    async def _is_answered(self, way: _Greeting, session: AttachedSession, deadline: Deadline) -> bool:
        try:
            await way(session, deadline)
        except BackendError as error:
            if error.category is not Category.REFUSED:
                raise
            return False
        return True

    async def _greet(self, session: AttachedSession, deadline: Deadline) -> None:
        hello = encode_client_hello(_CAPABILITIES, self._settings.software_version)
        answer = await session.request(session.next_id(), "initialize", hello, (), deadline, NOBODY)
        session.hello = read_hello(self.name, answer, _NO_MASKS.apply)
        await greet(session, self.name, (), deadline)

    async def _discover(self, session: AttachedSession, deadline: Deadline) -> None:
        body = Envelope(NO_CAPABILITIES, self._settings.software_version).around({}, None)
        answer = await session.request(session.next_id(), "server/discover", body, (), deadline, NOBODY)
        try:
            versions, hello = ((), None) if answer.result is None else parse_discovery(answer.result)
        except InvalidParamsError:
            versions, hello = (), None
        if hello is None or MODERN not in versions:
            raise BackendError(self.name, Category.REFUSED, f"it does not speak {MODERN}")
        session.hello = hello

    async def _replace(self) -> None:
        """Ends a process that does not answer: one whose input had ended with the attachment before may go on so."""
        self._hello *= 2
        failure = await self._pod.replace()
        said = failure or "done"
        log_event(logger, logging.WARNING, "no answer to initialize, pod replaced", backend=self.name, outcome=said)

    async def _replace_silent(self, session: AttachedSession) -> None:
        """Ends a process that answers no more; it may have had its input from the attachment before this one."""
        try:
            said = await self._pod.replace() or "done"
        except AttachError as error:
            said = str(error)
        log_event(logger, logging.WARNING, "process is silent, its pod is replaced", backend=self.name, outcome=said)
        await session.detach()

    def _launch(self, stream: Stream) -> AttachedSession:
        settings = self._settings
        stderr, silence = Stderr(self.name, _NO_MASKS), Silence(settings.silence)
        session = AttachedSession(
            self.name, stream, settings.max_line, stderr, settings.budget, silence, self._begin_replacing
        )
        task = self._running[session] = self._tasks.create_task(session.run(), name=f"attached {self.name}")
        task.add_done_callback(lambda _: self._ended(session))
        return session

    def _begin_replacing(self, session: AttachedSession) -> None:
        self._tasks.create_task(self._replace_silent(session), name=f"replace {self.name}")

    def _ended(self, session: AttachedSession) -> None:
        self._running.pop(session, None)
        if session.hello.version and not self._is_closed:
            self._note("its process ended, or the attachment to it broke")
            self._shared.begin()

    async def _end(self, session: AttachedSession) -> None:
        if task := self._running.get(session):
            task.cancel()
            await asyncio.wait((task,))

    def _note(self, lack: str) -> None:
        if lack != self._lack:
            log_event(logger, logging.WARNING, "process cannot be called", backend=self.name, reason=lack)
        self._lack = lack

    def _check_open(self) -> None:
        if self._is_closed:
            raise BackendError(self.name, Category.NOT_RUNNING)
