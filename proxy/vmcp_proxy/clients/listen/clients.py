"""Every listen stream of this process, and what it holds at backends."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import NO_CREDENTIALS, Credentials
from vmcp_proxy.backends.interface import BackendSession, Receiver, Terms
from vmcp_proxy.backends.link import Link, OnOver
from vmcp_proxy.clients.listen.client import ListenClient
from vmcp_proxy.clients.streaming.backend_streams import listen_to_backend, subscribe_again
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.calls.invalidation import Changes
from vmcp_proxy.core.calls.notifications import CHANGED_KINDS
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.core.members.own_links import close_link
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.modern.subscriptions import Filter

MOST_PER_IDENTITY: Final = 256
"""Streams of one caller where the config bounds no sessions of it."""

_ANY_LIST: Final = next(iter(CHANGED_KINDS))
"""A backend's listing is out of date as a whole, whichever of its lists has changed."""

ReceiverOf: TypeAlias = Callable[[ClientContext, Member], Receiver]
"""Makes the receiver of what a backend says to one client outside of calls."""

HasOwnLists: TypeAlias = Callable[[Member, ClientContext], bool]
"""Whether a backend lists for a client what the proxy's own session with it does not hear the changes of."""


class ListenClients:
    """Makes and ends them; each has sessions of its own at the backends that it has to hear.

    As many are held as sessions may live on a pod, and for one caller as many as it may have sessions. Work that
    outlives a request runs in `tasks`.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        receiver_of: ReceiverOf,
        has_own_lists: HasOwnLists,
        changes: Changes,
        hearing: Hearing,
        on_over: OnOver,
    ) -> None:
        self._tasks: Final = tasks
        self._receiver_of: Final = receiver_of
        self._has_own_lists: Final = has_own_lists
        self._changes: Final = changes
        self._hearing: Final = hearing
        self._on_over: Final = on_over
        self._members: Members = {}
        self._clients: Final[dict[ListenClient, None]] = {}
        self._callers: Final[Counter[Identity]] = Counter()
        self._settings = SessionManagement()
        self._admitter: Admitter | None = None
        self._is_closing = False

    def __len__(self) -> int:
        return len(self._clients)

    def all(self) -> tuple[ListenClient, ...]:
        """All of them, now."""
        return tuple(self._clients)

    @property
    def most_per_identity(self) -> int:
        """How many streams one caller may have."""
        most = self._settings.max_sessions_per_identity
        return MOST_PER_IDENTITY if most is None else most

    def configure(self, settings: SessionManagement, admitter: Admitter) -> None:
        """Follows another config; under other policies clients ask again for what they may hear."""
        self._settings = settings
        former, self._admitter = self._admitter, admitter
        if former is not admitter:
            self.finish_all()

    def serve(self, members: Members) -> None:
        """Takes other members over; sessions at those that are gone or replaced end, and new ones take their place.

        One that comes back was not heard while it was away.
        """
        former, self._members = self._members, members
        others = [member for name, member in members.items() if member is not former.get(name)]
        for client in self._clients:
            for name in list(client.links):
                if members.get(name) is not former.get(name):
                    self._release(client, name, former.get(name))
            for member in others:
                self._tell_gap(client, member)
            self.listen(client)

    def open(self, identity: Identity, snapshot: HeaderSnapshot, terms: Terms, wanted: Filter) -> ListenClient | None:
        """The client of a stream that begins, `close` has to follow; None where there are too many."""
        is_full = len(self._clients) >= self._settings.max_sessions_per_pod
        if is_full or self._callers[identity] >= self.most_per_identity:
            return None
        client = ListenClient(identity, snapshot, terms, wanted, self._open_link)
        self._clients[client] = None
        self._callers[identity] += 1
        if self._is_closing:
            client.finish()
        return client

    def close(self, client: ListenClient) -> None:
        """Says that a stream is over; its sessions at backends end."""
        del self._clients[client]
        self._callers[client.identity] -= 1
        if not self._callers[client.identity]:
            del self._callers[client.identity]
        for name in list(client.links):
            self._release(client, name, self._members.get(name))
        client.let_go()

    def finish_all(self) -> None:
        """Lets every stream end in good order: clients ask again, and are asked anew who they are."""
        for client in self._clients:
            client.finish()

    def close_all(self) -> None:
        """As `finish_all`, and for those that come: clients go to another pod."""
        self._is_closing = True
        self.finish_all()

    def listen(self, client: ListenClient) -> None:
        """Hears the backends that the stream depends on, each from now on; those that it hears already go on."""
        for name, member in self._members.items():
            has_lists = bool(client.wanted.changes) and self._has_own_lists(member, client)
            if (has_lists or client.subscriptions.get(name)) and self._hearing.reaches(client, name):
                self._hear(client, member, client.link(member))

    def _open_link(self, client: ListenClient, member: Member) -> Link:
        async def on_opened(link: Link, session: BackendSession) -> None:
            # Before anything is subscribed to: servers drop what they have to say while nobody listens.
            self._hear(client, member, link)
            session.expect_stream()
            if uris := client.subscriptions.get(member.name):
                credentials, receiver = self._credentials(client, member), self._receiver_of(client, member)
                again = subscribe_again(
                    client, member, link, session, sorted(uris), credentials, receiver, self._hearing
                )
                self._tasks.create_task(again, name=f"subscribe at {member.name}")

        if member.name in client.links:
            self._release(client, member.name, member)
        link = Link(member.backend, client.terms, on_opened, owner=client, on_over=self._on_over)
        client.links[member.name] = link
        if client not in self._clients:
            link.end()
        return link

    def _hear(self, client: ListenClient, member: Member, link: Link) -> None:
        running = client.heard.get(member.name)
        if running is None or running.done():
            work = self._listen(client, member, link)
            client.heard[member.name] = self._tasks.create_task(work, name=f"listen {member.name}")

    async def _listen(self, client: ListenClient, member: Member, link: Link) -> None:
        """Listens for as long as the link lives; after each gap the client hears of all that it may have missed."""
        receiver, has_gap = self._receiver_of(client, member), False

        def may_hear() -> bool:
            return not link.closed and self._hearing.reaches(client, member.name)

        def ended() -> bool:
            nonlocal has_gap
            has_gap = True
            return not link.closed

        def may_hear_again() -> bool:
            if has_gap and may_hear():
                self._tell_gap(client, member)
            return may_hear()

        while may_hear():
            generation = link.generation
            if await listen_to_backend(
                link,
                receiver,
                lambda: self._credentials(client, member),
                may_hear=may_hear_again,
                goes_on=ended,
            ):
                return
            # Another session may be with another version of the server.
            await link.opened_after(generation)

    def _tell_gap(self, client: ListenClient, member: Member) -> None:
        """What was said while nobody listened is lost: the lists and each resource may be others."""
        if client.wanted.changes and self._has_own_lists(member, client):
            self._changes.heard(_ANY_LIST, member, client)
        known = client.uri_of(member.name)
        for uri in client.subscriptions.get(member.name, ()):
            client.updated(msgspec.Raw(params.encode_members({"uri": params.raw_text(known(uri))})))

    def _credentials(self, client: ListenClient, member: Member) -> Credentials | Collision:
        return client.credentials_for(member, client.identity, client.snapshot)

    def _release(self, client: ListenClient, name: str, member: Member | None) -> None:
        """Ends what a stream has with a backend, which hears of it where it can."""
        link = client.links.pop(name)
        running = client.heard.pop(name, None)
        if running is not None:
            running.cancel()
        link.end()
        if link.session is None:
            return
        credentials: Credentials | Collision = NO_CREDENTIALS
        if member is not None:
            reaches = self._hearing.reaches(client, name)
            credentials = self._credentials(client, member) if reaches else member.own_credentials
        if not isinstance(credentials, Collision):
            self._tasks.create_task(close_link(link, credentials), name=f"end session at {name}")
