"""The links of clients to members."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from vmcp_proxy.backends.credentials import NO_CREDENTIALS, Credentials
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import BackendSession, Receiver
from vmcp_proxy.backends.link import Link, OnOver
from vmcp_proxy.backends.programs.pool import SessionOf
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.clients.streaming.backend_streams import listen_to_backend, soon, subscribe_again
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.core.members.own_links import close_link
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES

if TYPE_CHECKING:
    from vmcp_proxy.sessions import Session

Remember: TypeAlias = Callable[["Session", str, bytes], Awaitable[None]]
"""Stores the token of a backend session, sealed, for other pods."""

ReceiverOf: TypeAlias = Callable[[SessionClient, Member], Receiver]
"""Makes the receiver of what a backend says to one client session outside of calls."""

_LINGER_SECONDS: Final = 10.0
"""How long backends are heard after a client's stream broke: what they say meanwhile waits for its return."""


class Links:
    """Makes, keeps and ends links; work that outlives a request runs in `tasks`.

    A member out of a client's reach is told nothing more on its behalf but that a session is over (ADR-0044).
    `on_over` hears of each that is over.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        clients: SessionClients,
        remember: Remember,
        receiver_of: ReceiverOf,
        hearing: Hearing,
        on_over: OnOver,
    ) -> None:
        self._tasks = tasks
        self._on_over = on_over
        self._clients = clients
        clients.on_forget, clients.on_ended = self.forget, self._release_ended
        self._remember = remember
        self._receiver_of = receiver_of
        self._hearing = hearing
        self._members: Members = {}

    def configure(self, members: Members) -> None:
        """Takes over a new config; sessions with members that are gone end, those with replaced ones go on.

        So do those with members that are out of the client's reach now, by other policies. A client that listens
        hears of what it has subscribed to from those that come back or have moved.
        """
        former, self._members = self._members, members
        others = [member for name, member in members.items() if member is not former.get(name)]
        for client in self._clients.all():
            for name in list(client.links):
                if members.get(name) is not former.get(name) or not self._hearing.reaches(client, name):
                    self._replace(client, name, former.get(name))
            for member in others:
                if client.stream.is_receiving and client.subscriptions.get(member.name):
                    self.listen(client, member, self.of(client, member))

    def of(self, client: SessionClient, member: Member) -> Link:
        """The link of a client session to a member, resumed where another pod has opened it."""
        link = client.links.get(member.name)
        if link is not None and link.backend is member.backend:
            return link
        session = client.session
        token = session.backend_tokens.get(member.name)
        restored = _Restored(self, client, member)
        link = Link(member.backend, client.terms, restored, token, _owner_of(session), self._on_over)
        client.links[member.name] = link
        # A call that outlives its session must not leave a session behind at a backend.
        if session.ended is not None:
            link.end()
        if client.stream.is_receiving and link.session is not None:
            self.listen(client, member, link)
        return link

    def _replace(self, client: SessionClient, name: str, former: Member | None) -> None:
        """Moves a client session over to the new member of a name, or ends what it has with the former one."""
        link = client.links.pop(name)
        listening = client.stream.listening.pop(name, None)
        if listening is not None:
            listening.cancel()
        member = self._members.get(name)
        if not self._hearing.reaches(client, name):
            client.subscriptions.pop(name, None)
        elif member is not None and self.of(client, member).session is not None:
            # The same server under new headers: its session goes on, and so do the calls in flight.
            return
        credentials = NO_CREDENTIALS if former is None else self._farewell(client, former)
        if not isinstance(credentials, Collision):
            # One that is still being opened ends too: as soon as it is there.
            self._tasks.create_task(self._retire(link, credentials), name=f"end session at {name}")

    def _farewell(self, client: SessionClient, member: Member) -> Credentials | Collision:
        """What the end of a session is told with: out of reach nothing of the client's."""
        is_heard = self._hearing.reaches(client, member.name)
        return client.latest_credentials_for(member) if is_heard else member.own_credentials

    async def set_level_everywhere(self, client: SessionClient, level: str) -> None:
        """Tells the log level to every backend that this session has a session with, at the same time."""
        async with asyncio.TaskGroup() as group:
            for name, link in client.links.items():
                session = link.session
                member = self._members.get(name)
                if session is None or member is None or not self._hearing.reaches(client, name):
                    continue
                if "logging" in session.hello.offers:
                    group.create_task(self._set_level(client, member, link, session, level))

    def listen_all(self, client: SessionClient) -> None:
        """Begins to receive from every backend that this session has a session with (the client listens now)."""
        _stop_lingering(client)
        for member, link in self._open_links(client):
            self.listen(client, member, link)

    def listen(self, client: SessionClient, member: Member, link: Link) -> None:
        """Receives from one backend until the client's stream or the session ends; not at all where it has ended.

        Whoever begins to listen has often waited for something, and what begins after the end nobody would end.
        """
        if client.session.ended is not None or not self._hearing.reaches(client, member.name):
            return
        running = client.stream.listening.get(member.name)
        if running is None or running.done():
            task = self._tasks.create_task(self._listen(client, member, link), name=f"listen {member.name}")
            client.stream.listening[member.name] = task
        if link.session is not None:
            link.session.expect_stream()

    def _listen_anew(self, client: SessionClient, member: Member, link: Link) -> None:
        """Receives from a session that took the place of another; who has opened it to receive goes on by itself."""
        running = client.stream.listening.get(member.name)
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            del client.stream.listening[member.name]
        self.listen(client, member, link)

    def stop_listening(self, client: SessionClient) -> None:
        """Ends what `listen` began."""
        _stop_lingering(client)
        for task in client.stream.listening.values():
            task.cancel()
        client.stream.listening.clear()

    def linger(self, client: SessionClient) -> None:
        """Ends what `listen` began in a while, unless the client listens again by then."""
        if client.session.ended is None:
            _stop_lingering(client)
            loop = asyncio.get_running_loop()
            client.stream.lingering = loop.call_later(_LINGER_SECONDS, self._lingered, client)

    def _lingered(self, client: SessionClient) -> None:
        client.stream.lingering = None
        if not client.stream.is_listening:
            self.stop_listening(client)

    async def _release_ended(self, client: SessionClient, is_over: bool) -> None:
        await self.release(client, end_sessions=is_over)

    async def release(self, client: SessionClient, *, end_sessions: bool) -> None:
        """Gives up the links of a session that has ended or moved; ends its backend sessions where it has ended."""
        self.stop_listening(client)
        for link in client.links.values():
            link.end()
        async with asyncio.TaskGroup() as group:
            for member, link in self._open_links(client) if end_sessions else self._bound_here(client):
                credentials = self._farewell(client, member)
                if not isinstance(credentials, Collision):
                    group.create_task(close_link(link, credentials), name=f"end session at {member.name}")

    def forget(self, client: SessionClient) -> None:
        """Lets go of the client's headers, perhaps long before it is known whether the session has ended or moved.

        What only this process could go on with ends now: once its link is gone nobody would end it.
        """
        for link in client.links.values():
            link.end()
        for member, link in self._bound_here(client):
            self._tasks.create_task(close_link(link, NO_CREDENTIALS), name=f"end session at {member.name}")
        client.forget_headers()

    def _open_links(self, client: SessionClient) -> list[tuple[Member, Link]]:
        """The links with a session at the backend, also those that only another pod has used so far."""
        names = client.links.keys() | client.session.backend_tokens.keys()
        members = (self._members[name] for name in sorted(names) if name in self._members)
        links = [(member, self.of(client, member)) for member in members]
        return [(member, link) for member, link in links if link.session is not None]

    def _bound_here(self, client: SessionClient) -> list[tuple[Member, Link]]:
        """The links whose backend session no other pod can go on with: a stream, or a program of this machine."""
        links = ((self._members.get(name), link) for name, link in client.links.items())
        return [
            (member, link)
            for member, link in links
            if member is not None and link.session is not None and not link.session.token
        ]

    async def _retire(self, link: Link, credentials: Credentials) -> None:
        """Ends a session once its calls in flight are through; each of them has a bound of its own."""
        await link.idle()
        await close_link(link, credentials)

    async def restore(self, client: SessionClient, member: Member, link: Link, session: BackendSession) -> None:
        """Stores the token of a session that was opened anew, and tells the backend what belongs to it."""
        if client.stream.is_receiving or client.terms.capabilities != NO_CAPABILITIES:
            # Before anything else is said in it: servers drop what they have to say while nobody listens.
            self._listen_anew(client, member, link)
        if session.token:
            await self._remember(client.session, member.name, session.token)
        if client.log_level is not None and "logging" in session.hello.offers:
            await self._set_level(client, member, link, session, client.log_level)
        if uris := client.subscriptions.get(member.name):
            name = f"subscribe at {member.name}"
            self._tasks.create_task(self._subscribe(client, member, link, session, sorted(uris)), name=name)

    async def _subscribe(
        self, client: SessionClient, member: Member, link: Link, session: BackendSession, uris: list[str]
    ) -> None:
        credentials, receiver = client.latest_credentials_for(member), self._receiver_of(client, member)
        await subscribe_again(client, member, link, session, uris, credentials, receiver, self._hearing)

    async def notify_all(self, client: SessionClient, method: str, raw: msgspec.Raw | None) -> None:
        """Tells a notification of the client to every backend that its session has a session with."""
        async with asyncio.TaskGroup() as group:
            for member, link in self._open_links(client):
                if not self._hearing.reaches(client, member.name):
                    continue
                credentials = client.latest_credentials_for(member)
                session = link.session
                if session is not None and not isinstance(credentials, Collision):
                    group.create_task(_notify(link, session, method, raw, credentials))

    async def _set_level(
        self, client: SessionClient, member: Member, link: Link, session: BackendSession, level: str
    ) -> None:
        """Tells one backend the log level of the client; a refusal costs nothing but the records."""
        if not member.circuit.is_closed:
            return
        credentials = client.latest_credentials_for(member)
        if isinstance(credentials, Collision):
            return
        body = params.encode_members({"level": params.raw_text(level)})
        with contextlib.suppress(BackendError):
            receiver = self._receiver_of(client, member)
            await link.ask(session, "logging/setLevel", body, credentials, receiver, soon())

    async def _listen(self, client: SessionClient, member: Member, link: Link) -> None:
        await listen_to_backend(
            link,
            self._receiver_of(client, member),
            lambda: client.latest_credentials_for(member),
            may_hear=lambda: self._hearing.reaches(client, member.name),
            goes_on=lambda: client.stream.is_receiving,
        )


@dataclass(frozen=True, slots=True)
class _Restored:
    """Hears of a session that a link has opened anew; each of them has one, and a closure weighs five times as much."""

    links: Links
    client: SessionClient
    member: Member

    async def __call__(self, link: Link, session: BackendSession) -> None:
        await self.links.restore(self.client, self.member, link, session)


async def _notify(
    link: Link, session: BackendSession, method: str, raw: msgspec.Raw | None, credentials: Credentials
) -> None:
    with contextlib.suppress(BackendError):
        await link.notify(session, method, raw, credentials, soon())


def _owner_of(session: "Session") -> object:
    """What its programs count for."""
    identity = session.owner
    return SessionOf(session, (identity.issuer, identity.subject)) if identity.is_by_token else session


def _stop_lingering(client: SessionClient) -> None:
    if client.stream.lingering is not None:
        client.stream.lingering.cancel()
        client.stream.lingering = None
