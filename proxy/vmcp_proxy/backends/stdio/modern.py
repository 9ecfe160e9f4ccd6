"""Programs that speak MCP 2026-07-28 over their standard streams: one for all clients, who say who they are."""

import asyncio
from typing import TYPE_CHECKING, Final

from vmcp_proxy.backends.channel.shared import SharedSession
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import NO_SESSIONS_SECONDS, Eras
from vmcp_proxy.backends.errors import BackendError, Category, NotModernError
from vmcp_proxy.backends.interface import NOBODY, BackendSession, Terms
from vmcp_proxy.backends.modern.channel import ChannelTransport
from vmcp_proxy.backends.modern.envelope import Envelope
from vmcp_proxy.backends.modern.session import ModernSession
from vmcp_proxy.backends.stdio.session import StdioSession
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES, parse_discovery
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import MODERN

if TYPE_CHECKING:
    from vmcp_proxy.backends.stdio.backend import StdioBackend

_SILENCE_SECONDS: Final = 30.0
"""How long a program may take to come up and say that it speaks this; former ones may say nothing at all."""
_DISCOVER: Final = "server/discover"


class ModernStdioBackend:
    """Starts one program beside those of `programs`, the first time that somebody wants it."""

    def __init__(
        self, programs: "StdioBackend", eras: Eras, patience: float, software_version: str, tasks: asyncio.TaskGroup
    ) -> None:
        self._programs: Final = programs
        self._eras: Final = eras
        self._version: Final = software_version
        self._shared = SharedSession(programs.name, self._start, lambda: "it has not come up yet", patience, tasks)

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Opens.open`."""
        del headers, owner
        program = await self._shared.get(deadline)
        way = ChannelTransport(self._programs.name, program, self._eras.forget)
        return ModernSession(way, terms, program.hello, Envelope(terms.capabilities, self._version))

    async def aclose(self) -> None:
        """Ends a start that goes on; the program ends with the others."""
        await self._shared.cancel()

    async def _start(self) -> StdioSession:
        try:
            return await self._programs.start(self._greet)
        except BackendError as error:
            # What has come up for a session, and ends now, ends for what it was asked.
            ends = error.category is Category.NOT_RUNNING and Era.LEGACY in self._eras.spoken
            if not ends and not isinstance(error, NotModernError):
                raise
            self._eras.missed(Era.MODERN, asyncio.get_running_loop().time() + NO_SESSIONS_SECONDS)
            raise self._not_modern(error.hint) from error

    async def _greet(self, program: StdioSession) -> None:
        body = Envelope(NO_CAPABILITIES, self._version).around({}, None)
        deadline = Deadline.after(asyncio.get_running_loop().time(), _SILENCE_SECONDS)
        try:
            answer = await program.request(program.next_id(), _DISCOVER, body, (), deadline, NOBODY)
            if answer.result is None:
                raise self._not_modern("it answered server/discover with an error")
            versions, program.hello = parse_discovery(answer.result)
        except InvalidParamsError:
            raise self._not_modern("its server/discover result is malformed") from None
        except BackendError as error:
            if error.category is Category.TIMEOUT:
                raise self._not_modern("it says nothing to server/discover") from error
            raise
        if MODERN not in versions:
            raise self._not_modern(f"it does not speak {MODERN}")

    def _not_modern(self, hint: str) -> NotModernError:
        return NotModernError(self._programs.name, Category.PROTOCOL, hint)
