"""What the core needs of a backend, whatever its transport."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.error_codes import METHOD_NOT_FOUND
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES, ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw, Request, Response, encode_error, encode_result
from vmcp_proxy.protocol.methods import Era

Reply: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends one message back to the backend in the session it asked in; failure to is not an error."""

_NOT_RELAYED: Final = "This method is not served here."


class Receiver(Protocol):
    """Hears what a backend says besides answers, in its order.

    `log_level` is the least severe level of log records that it wants with the answer, None for whatever comes.
    `takes_rounds`: a result that asks for input is an answer to it; else the backend's questions come as requests.
    """

    @property
    def log_level(self) -> str | None:
        """See above."""

    @property
    def takes_rounds(self) -> bool:
        """See above."""

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """Takes a notification."""

    async def on_request(self, request: Request, reply: Reply) -> None:
        """Takes a request of the backend's and returns at once; the answer goes through `reply`, perhaps later."""


async def refuse(request: Request, reply: Reply) -> None:
    """Answers a backend's request that no client stands behind: a ping with nothing, the rest as unknown."""
    if request.method == "ping":
        await reply(encode_result(request.id, b"{}"))
    else:
        await reply(encode_error(request.id, METHOD_NOT_FOUND, _NOT_RELAYED))


class Nobody:
    """Receives for the proxy itself: notifications are dropped, requests are refused."""

    log_level: Final[str | None] = None
    takes_rounds: Final = False

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await refuse(request, reply)


NOBODY: Final = Nobody()


class RequestSpan(Protocol):
    """Hears how one request gets to its backend, for traces (ADR-0047); nothing of it may raise."""

    @property
    def headers(self) -> OutgoingHeaders:
        """What goes with this request alone, for example `traceparent`; empty costs nothing.

        They are sent beside the caller's headers, which are encoded once for many requests.
        """

    def resent(self, reason: str) -> None:
        """Hears that the request goes out again, and why."""

    def opening(self) -> "RequestSpan":
        """The span of a session that has to be opened first."""

    def end(self, error: str) -> None:
        """Hears once how it went: `error` is empty, or a category or another word for what went wrong."""


class Untraced:
    """The span of what belongs to no trace."""

    headers: Final[OutgoingHeaders] = ()

    def resent(self, reason: str) -> None:
        """See `RequestSpan.resent`."""

    def opening(self) -> "Untraced":
        """See `RequestSpan.opening`."""
        return self

    def end(self, error: str) -> None:
        """See `RequestSpan.end`."""


UNTRACED: Final = Untraced()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a backend session is opened for: the protocol that its client speaks, and what a backend may ask of it.

    `capabilities` are the client's as backends hear them, a JSON object.
    """

    era: Era
    capabilities: bytes


OWN_TERMS: Final = Terms(Era.LEGACY, NO_CAPABILITIES)
"""Those of the proxy itself, which answers nothing that a backend may ask."""


class LegacyOnly:
    """What is the same of all backends that speak the legacy protocol alone."""

    revisions: Final[tuple[str, ...]] = ()

    def is_apart(self, era: Era) -> bool:
        """See `Backend.is_apart`."""
        del era
        return False


class BackendSession(Protocol):
    """One MCP session with a backend, already initialised; in the revision without sessions what stands for one.

    Whoever uses it speaks as to a session: `ping`, `logging/setLevel` and subscriptions are taken in every revision.
    """

    @property
    def hello(self) -> ServerHello:
        """What the backend said of itself."""

    @property
    def token(self) -> bytes:
        """What another process needs to go on with this session; empty where that is impossible."""

    def next_id(self) -> int:
        """A request id that is unique within this session; it serves as progress token too."""

    def expect_stream(self) -> None:
        """Says that `listen` follows: requests wait for it, briefly, lest what they bring about is not heard."""

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> Response:
        """Sends one request and waits for its answer; what comes before it is handed over in order.

        `headers` are the caller's: the same object for many requests, encoded once. `extra` go with this one alone.
        Cancellation and expiry are told to the backend.

        Raises:
            SessionLostError: the session is gone; the request was not executed, or executes nothing.
            BackendError: there is no answer.
        """

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """Sends a notification.

        Raises:
            BackendError: it could not be delivered.
        """

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """Receives what the backend says outside of calls until the stream ends.

        Returns False where the backend offers no such stream.

        Raises:
            SessionLostError: the session is gone.
            BackendError: the stream broke.
        """

    async def close(self, headers: OutgoingHeaders) -> None:
        """Ends the session at the backend; bounded, and failure is not an error."""


class Backend(Protocol):
    """One member of the group."""

    @property
    def name(self) -> str:
        """Its name within the group."""

    @property
    def takes_headers(self) -> bool:
        """Whether headers of clients can reach it."""

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions of MCP that it is known to speak, where it may speak both protocols; the oldest first."""

    def is_apart(self, era: Era) -> bool:
        """Whether clients of this protocol are spoken to in another one than the proxy itself."""

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """Initialises a session; `owner` is what it counts for where sessions take programs, None for the proxy's own.

        Raises:
            BackendError: it cannot be had.
        """

    def resume(self, token: bytes) -> BackendSession | None:
        """The session that `token` stands for, without asking the backend; None where it cannot go on."""

    async def aclose(self) -> None:
        """Releases what the backend holds."""
