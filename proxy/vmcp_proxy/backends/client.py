"""What the core needs of a backend, whatever its transport."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw, Response

OnNotification: TypeAlias = Callable[[str, msgspec.Raw | None], Awaitable[None]]
"""Takes a backend's notification: its method and raw params."""


async def ignore_notification(_method: str, _params: msgspec.Raw | None) -> None:
    """Takes a notification that nobody waits for."""


@dataclass(slots=True)
class Deadline:
    """When a call ends, in seconds of the loop's clock: `at` moves with progress, `latest` never."""

    at: float
    latest: float
    step: float

    @classmethod
    def after(cls, now: float, seconds: float, maximum: float | None = None) -> "Deadline":
        """A deadline `seconds` from now that progress may extend up to `maximum`."""
        return cls(now + seconds, now + (seconds if maximum is None else max(seconds, maximum)), seconds)

    def extend(self, now: float) -> None:
        """Counts progress: the wait begins anew, within the hard bound."""
        self.at = min(now + self.step, self.latest)


class BackendSession(Protocol):
    """One MCP session with a backend, already initialised."""

    @property
    def hello(self) -> ServerHello:
        """What the backend said of itself."""

    @property
    def token(self) -> bytes:
        """What another process needs to go on with this session; empty where that is impossible."""

    def next_id(self) -> int:
        """A request id that is unique within this session; it serves as progress token too."""

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        on_notification: OnNotification,
    ) -> Response:
        """Sends one request and waits for its answer; notifications before it are handed over in order.

        Cancellation and expiry are told to the backend.

        Raises:
            SessionLostError: the session is gone and nothing was executed.
            BackendError: there is no answer.
        """

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """Sends a notification.

        Raises:
            BackendError: it could not be delivered.
        """

    async def listen(self, headers: OutgoingHeaders, on_notification: OnNotification) -> bool:
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

    async def open(self, capabilities: bytes, headers: OutgoingHeaders, deadline: Deadline) -> BackendSession:
        """Initialises a session.

        Raises:
            BackendError: it cannot be had.
        """

    def resume(self, token: bytes) -> BackendSession | None:
        """The session that `token` stands for, without asking the backend; None where it cannot go on."""

    async def aclose(self) -> None:
        """Releases what the backend holds."""
