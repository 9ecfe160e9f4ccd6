"""One client's share in a session that many clients have: it ends with the client, the session does not."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, Protocol

import msgspec

from vmcp_proxy.backends.channel.subscribers import Subscribers, uri_of
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import NOBODY, BackendSession, Receiver
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw, Response
from vmcp_proxy.protocol.methods import SUBSCRIBE, UNSUBSCRIBE
from vmcp_proxy.protocol.params import encode_members

_FAREWELL_SECONDS: Final = 2.0
"""For all that one client had subscribed to; what is not ended by then is told to nobody."""


class Shared(BackendSession, Protocol):
    """A session that many clients have."""

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""

    @property
    def subscribers(self) -> Subscribers:
        """Which of them have subscribed to what."""


class Share:
    """See `BackendSession`; of a subscription the server hears the first word and the last one of all clients."""

    __slots__ = ("_session",)

    token = b""

    def __init__(self, session: Shared) -> None:
        self._session = session

    def __repr__(self) -> str:
        return f"<Share of {self._session!r}>"

    @property
    def hello(self) -> ServerHello:
        """See `BackendSession.hello`."""
        return self._session.hello

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return self._session.next_id()

    def expect_stream(self) -> None:
        """See `BackendSession.expect_stream`."""
        self._session.expect_stream()

    def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> Coroutine[Any, Any, Response]:
        """See `BackendSession.request`."""
        if method == UNSUBSCRIBE and self._session.subscribers.is_held_by_others(uri_of(params), self):
            return self._leave(request_id, uri_of(params))
        sent = self._session.request(request_id, method, params, headers, deadline, receiver, extra)
        if method == SUBSCRIBE:
            return self._subscribe(uri_of(params), sent)
        return self._unsubscribe(uri_of(params), sent) if method == UNSUBSCRIBE else sent

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`."""
        await self._session.notify(method, params, headers)

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`."""
        return await self._session.listen(headers, receiver)

    async def close(self, headers: OutgoingHeaders) -> None:
        """Ends what the client alone has subscribed to; the session serves the others."""
        session = self._session
        last = session.subscribers.release_all(self)
        if not last or not session.is_alive:
            return
        deadline = Deadline.after(asyncio.get_running_loop().time(), _FAREWELL_SECONDS)
        with contextlib.suppress(BackendError):
            for uri in last:
                if not session.subscribers.is_held(uri):
                    params = msgspec.Raw(encode_members({"uri": msgspec.Raw(uri)}))
                    await session.request(session.next_id(), UNSUBSCRIBE, params, headers, deadline, NOBODY)

    async def _subscribe(self, uri: bytes, sent: Coroutine[Any, Any, Response]) -> Response:
        """Held from before it is sent: another client that ends its own meanwhile must not end this one."""
        subscribers = self._session.subscribers
        is_new = subscribers.hold(uri, self)
        is_refused = True
        try:
            answer = await sent
            is_refused = answer.result is None
        finally:
            if is_new and is_refused:
                subscribers.release(uri, self)
        return answer

    async def _unsubscribe(self, uri: bytes, sent: Coroutine[Any, Any, Response]) -> Response:
        answer = await sent
        if answer.result is not None:
            self._session.subscribers.release(uri, self)
        return answer

    async def _leave(self, request_id: int, uri: bytes) -> Response:
        """The answer to a request that the server must not hear, for another client holds the same."""
        self._session.subscribers.release(uri, self)
        return Response(b"%d" % request_id, msgspec.Raw(b"{}"), None)
