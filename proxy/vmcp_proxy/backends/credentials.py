"""What lets requests to a backend in: headers at hand, or fetched, and renewed once they are refused."""

from typing import Final, Protocol, Self

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, Collision, HeaderSnapshot, OutgoingHeaders, StaticHeaders, merge


class Credentials(Protocol):
    """What the requests of one caller to one backend carry (ADR-0016).

    `is_callers`: whether anything of it is the caller's own, so that what the backend makes of it says nothing of
    what it does to others.
    """

    @property
    def is_callers(self) -> bool:
        """See above."""

    def current(self) -> OutgoingHeaders | None:
        """The headers, without waiting; `None` where they have to be fetched.

        The same object for as long as they hold: sessions keep it with its encoded form.
        """

    @property
    def latest(self) -> OutgoingHeaders:
        """The headers that were last at hand, also where they hold no more: what a backend may repeat."""

    async def fetch(self, deadline: Deadline) -> OutgoingHeaders:
        """The headers, got from whoever hands them out.

        Callers wait at the same time, and each may be cancelled or run out of time without the others.

        Raises:
            BackendError: there are none.
        """

    def refused(self, used: OutgoingHeaders) -> bool:
        """Hears that the backend did not take these; whether there may be others, now at hand or to be fetched."""


class _Known:
    """Headers that somebody wrote down: where they are refused, nobody here can get others."""

    __slots__ = ("_headers",)

    def __init__(self, headers: OutgoingHeaders) -> None:
        self._headers: Final = headers

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._headers)} headers>"

    def current(self) -> OutgoingHeaders:
        return self._headers

    @property
    def latest(self) -> OutgoingHeaders:
        return self._headers

    async def fetch(self, deadline: Deadline) -> OutgoingHeaders:  # noqa: ARG002 - nothing is waited for
        return self._headers

    def refused(self, used: OutgoingHeaders) -> bool:  # noqa: ARG002 - the protocol's argument
        return False


class StaticCredentials(_Known):
    """The headers of a backend's config and Secrets: what stands behind the proxy's own requests."""

    __slots__ = ()
    is_callers = False

    @classmethod
    def of(cls, static: StaticHeaders, authentication: StaticHeaders = ()) -> Self:
        """The credentials of a backend with these headers, over which those that authenticate win."""
        merged = merge(EMPTY_SNAPSHOT, static, authentication)
        return cls(() if isinstance(merged, Collision) else merged)


class PassthroughCredentials(_Known):
    """The headers that a client gave for backends, beside a backend's own."""

    __slots__ = ()
    is_callers = True

    @classmethod
    def of(
        cls, snapshot: HeaderSnapshot, static: StaticHeaders, authentication: StaticHeaders = ()
    ) -> Self | Collision:
        """The credentials of a client at a backend with these headers; a `Collision` where both name the same.

        What authenticates wins over both.
        """
        merged = merge(snapshot, static, authentication)
        return merged if isinstance(merged, Collision) else cls(merged)


NO_CREDENTIALS: Final = StaticCredentials(())
"""For backends that headers cannot reach."""


async def headers_from(credentials: Credentials, backend: str, deadline: Deadline) -> OutgoingHeaders:
    """The headers to send; fetched, where need be, within the deadline.

    Raises:
        BackendError: they cannot be had, or not in time.
    """
    headers = credentials.current()
    if headers is not None:
        return headers
    try:
        async with deadline.bound():
            return await credentials.fetch(deadline)
    except TimeoutError as error:
        raise BackendError(backend, Category.TIMEOUT, "its credentials could not be fetched") from error
