"""A URL whose transport nobody has written down (MCP 2025-03-26 and later, "Backwards Compatibility")."""

import logging
from http import HTTPStatus
from typing import Final

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import Backend, BackendSession, LegacyOnly, Terms
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.observability.logs import log_event

logger: Final = logging.getLogger("vmcp.backends")

_OF_OTHERS: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that say nothing of the transport."""


class FallbackBackend(LegacyOnly):
    """Streamable HTTP, or HTTP+SSE where the server refuses the first; what has worked is tried first from then on."""

    takes_headers = True

    def __init__(self, streamable: Backend, sse: Backend) -> None:
        self.name = streamable.name
        self._first = streamable
        self._second = sse

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Backend.open`."""
        first, second = self._first, self._second
        try:
            return await first.open(terms, headers, deadline, owner)
        except BackendError as error:
            if not _may_be_another(error.status):
                raise
            refused = error
        try:
            session = await second.open(terms, headers, deadline, owner)
        except BackendError as error:
            refused.told += f"; the other transport too: {error.told}"
            raise refused from error
        if self._first is first:
            self._first, self._second = second, first
            log_event(logger, logging.INFO, "backend speaks another transport than was tried first", name=self.name)
        return session

    def resume(self, token: bytes) -> BackendSession | None:
        """See `Backend.resume`."""
        return self._first.resume(token) or self._second.resume(token)

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        await self._first.aclose()
        await self._second.aclose()


def _may_be_another(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _OF_OTHERS
