"""What a running proxy holds inside, for the few tests that ask; the only module that knows how it is put together."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar
from unittest import mock

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.authenticators import Authenticators
from vmcp_proxy.backends.interface import Backend, BackendSession
from vmcp_proxy.clients.listen.client import ListenClient
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.clients.stateless.client import StatelessClient
from vmcp_proxy.clients.streaming.event_log import Budget
from vmcp_proxy.core.listings.cache import Entry
from vmcp_proxy.core.listings.scopes import SHARED
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import VirtualMCP
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.observability.tracing.counts import SpanCounts
from vmcp_proxy.run.proxy import Proxy
from vmcp_proxy.run.telemetry.audit import AuditOutput
from vmcp_proxy.serve.legacy.answer_stream import AnswerStream
from vmcp_proxy.serve.legacy.post_exchange import PostExchange
from vmcp_proxy.sessions import Session
from vmcp_proxy.sessions.live.shared_state import SharedState

_Layer = TypeVar("_Layer", bound=VirtualMCP)


class Inside:
    """Questions about what one proxy holds, and a few hands in its works; counts are of this process."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy: Final = proxy

    @property
    def _parts(self) -> Any:
        return self._proxy.wiring

    # Sessions, and what is held for their clients

    @property
    def unready(self) -> tuple[str, ...]:
        """Why `/readyz` refuses."""
        return tuple(self._parts.status.readiness().reasons)

    @property
    def sessions(self) -> int:
        """How many sessions are live."""
        return self._parts.sessions.manager.live

    def rotate(self, keyring: Keyring) -> None:
        """Has everything that is keyed follow other keys."""
        self._parts.rotate(keyring)

    def add_key(self, kid: str) -> Keyring:
        """Has another key beside those in force, which signs if it is the highest."""
        more = Keyring.of({**self._parts.sessions.keyring()._secrets, kid: kid.encode().ljust(32)})
        self.rotate(more)
        return more

    def end_parked(self) -> None:
        """Gives up the calls that wait for their clients, as when their time is over."""
        self._parts.core.pausing.parking.end()

    @property
    def snapshots(self) -> int:
        """How many clients' headers are held."""
        return self._parts.sessions.manager.snapshots

    @property
    def clients(self) -> tuple[SessionClient, ...]:
        """What is held for the client of each session that has asked something here."""
        return self._parts.sessions.clients.all()

    @property
    def client(self) -> SessionClient:
        """What is held for the only client."""
        (client,) = self.clients
        return client

    @property
    def stateless(self) -> tuple[StatelessClient, ...]:
        """What is held for clients without a session."""
        return self._parts.core.stateless.all()

    @property
    def listening(self) -> tuple[ListenClient, ...]:
        """The listen streams of clients without a session."""
        return self._parts.core.listen.all()

    @property
    def identity(self) -> Identity:
        """Who the only client is, with a session or without."""
        (client,) = (*self.clients, *self.stateless)
        return client.identity

    def forget_client(self, session: Session) -> None:
        """Drops what is held for a session's client, as if it had never asked here."""
        self._parts.sessions.clients.remove(session)

    def backend_session(self, backend: str) -> BackendSession:
        """The session that the first client has with a backend."""
        return self.clients[0].links[backend].session

    def session_ref(self, session_id: str) -> str:
        """The name of a session in logs and audit events."""
        return self._parts.sessions.manager.ref_of(session_id)

    def end_all_sessions(self) -> None:
        self._parts.sessions.manager.drop_all()

    def sweep_sessions(self) -> None:
        """Looks for idle sessions now."""
        self._parts.sessions.manager._upkeep._sweep()

    # The store, and other pods

    @property
    def store_is_available(self) -> bool:
        return self._parts.sessions.store.state.available

    @property
    def shared_state(self) -> SharedState:
        """What the pods tell each other about a session through the store."""
        return self._parts.sessions.manager.shared

    @property
    def pod(self) -> str:
        """The name of this pod among those that share the store."""
        return self._parts.sessions.pods.pod

    @property
    def times_subscribed(self) -> int:
        """How often the pod has begun to listen for ends of sessions."""
        return self._parts.sessions.manager._cache.epoch

    # Backends and their lists

    @property
    def members(self) -> dict[str, Member]:
        return dict(self._parts.core.group.members)

    def backend(self, name: str) -> Backend:
        """The part of a backend that speaks the protocol with sessions."""
        backend = self.members[name].backend
        return getattr(backend, "_legacy", backend)

    def look_for_unused(self) -> None:
        """Lets go of what nobody has used since it was looked for last, as the time does."""
        self._parts.core.ageing.look()

    def invalidate_lists(self, backend: str) -> None:
        """Lets the backend's shared lists be asked for anew, as its `list_changed` would."""
        self._parts.core.listings.invalidate(self.members[backend], SHARED)
        self._parts.core.views.changed()

    def outdate_lists(self) -> None:
        """Lets the next list ask every backend, whatever the last one brought."""
        for listing in self._parts.core.listings._entries.values():
            listing.is_stale = True
            self.outdate(listing)

    def private_listing(self, backend: str) -> Entry:
        """The only listing of a backend that belongs to one client's headers."""
        entries = self._parts.core.listings._entries.items()
        (entry,) = [entry for (name, _), entry in entries if name == backend and not entry.is_shared]
        return entry

    def outdate(self, listing: Entry) -> None:
        """Lets a listing that failed be tried again at once."""
        listing.retry_at = 0.0
        self._parts.core.views.changed()

    def needs_fetch(self, listing: Entry) -> bool:
        return self._parts.core.listings.needs_fetch(listing)

    def deadlines_missed(self, backend: str) -> int:
        """How often a list of the backend was not there in the time that somebody waits for one."""
        return self._parts.core.views.deadlines_missed[backend]

    @property
    def epoch(self) -> int:
        """How often what clients see may have become another one."""
        return self._parts.core.views.epoch

    def announce_changes(self) -> None:
        """Lets clients hear of lists that have changed."""
        self._parts.core.notifier.changed()

    def stop_listening(self, client: SessionClient) -> None:
        """Ends the wait for a client whose stream broke: its backends' own streams close."""
        self._parts.core.links._lingered(client)

    # Calls, their answers and streams

    @property
    def calls(self) -> int:
        """How many requests are in flight."""
        return self._parts.surface.in_flight.calls

    @property
    def exchanges(self) -> tuple[PostExchange, ...]:
        """The requests in flight whose streams are kept alive."""
        return tuple(self._parts.surface.keep_alive._exchanges)

    @property
    def answers(self) -> int:
        """How many answers are kept for clients that may resume them."""
        return len(self._parts.surface.answers)

    @property
    def expiring_answers(self) -> int:
        """How many finished answers wait for the end of their time."""
        return len(self._parts.surface.answers._expiring)

    @property
    def answer_stream(self) -> AnswerStream:
        """The only answer that may be resumed."""
        (streams,) = self._parts.surface.answers._sessions.values()
        (stream,) = streams.by_number.values()
        return stream

    def drop_answer(self) -> None:
        """Forgets the only answer that may be resumed, as if its time were over."""
        ((session, streams),) = self._parts.surface.answers._sessions.items()
        (number,) = streams.by_number
        self._parts.surface.answers.drop(session, number)

    def keep_answers_for(self, seconds: float) -> None:
        self._parts.surface.answers.kept_seconds = seconds

    @property
    def replay_budget(self) -> Budget:
        """Counts the bytes that are kept for clients that come back."""
        return self._parts.sessions.clients.replay.budget

    def close_streams(self) -> None:
        """Closes the clients' streams, as the drain does."""
        self._parts.surface.get_stream.close_all()

    def cut_calls(self, older_than: float | None = None) -> int:
        """Cuts what is in flight: all and for good, as the end of the drain does, or what began before a time."""
        if older_than is not None:
            return self._parts.surface.in_flight.cut_overdue(older_than)
        return self._parts.surface.in_flight.cut_all()

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the chain's layers, outermost first."""
        return self._parts.surface.chain.current.names

    @property
    def spans(self) -> SpanCounts:
        """How many spans went out, and how many were lost."""
        counts: SpanCounts = self._parts.surface.sources.tracing.counts
        return counts

    @property
    def audit(self) -> AuditOutput:
        """Where audit lines go: how many wait, and how many were lost."""
        output: AuditOutput = self._parts.surface.sources.audit
        return output

    # Other works for a while

    def replaced(self, work: str, other: Callable[..., Any]) -> contextlib.AbstractContextManager[Any]:
        """Has `other` do what the proxy does in a place; see `_place` for the places."""
        part, method = self._place(work)
        return mock.patch.object(part, method, other)

    def own(self, work: str) -> Callable[..., Any]:
        """What the proxy does in a place."""
        part, method = self._place(work)
        return getattr(part, method)

    def _place(self, work: str) -> tuple[object, str]:
        parts = self._parts
        return {
            "endpoint": (parts.surface.endpoint, "_request"),
            "handshake": (parts.surface.handshake, "serve"),
            "requests": (parts.surface.requests, "answer"),
            "get_stream": (parts.surface.get_stream, "serve"),
            "sessions": (parts.sessions.manager, "peek"),
            "view": (parts.core.virtual, "view"),
            "load": (parts.sessions.store, "load"),
            "claim_stream": (parts.sessions.manager.shared, "claim_stream"),
            "resolve_host": (parts.client._connector, "_resolver"),
        }[work]

    @property
    def core(self) -> VirtualMCP:
        """The core in force, whatever the reloads."""
        return self._parts.core.virtual

    def within_admission(self, layer: Callable[[VirtualMCP], _Layer]) -> _Layer:
        """Puts a layer around what admission decides on, until the next reload."""
        admission = self._parts.core.virtual.current
        made = admission._inner = layer(admission._inner)
        return made

    def around_core(self, layer: Callable[[VirtualMCP], _Layer]) -> _Layer:
        """Puts a layer around the whole core, until the next reload."""
        live = self._parts.core.virtual
        made = live.current = layer(live.current)
        return made

    @property
    def authenticators(self) -> Authenticators:
        """What finds out who callers are."""
        return self._parts.authenticators

    def have_the_issuer_asked_once_in(self, seconds: float) -> None:
        """The least time between two looks at the issuer for the sake of a token."""
        self._parts.authenticators.current._provider._floor = seconds

    @contextlib.contextmanager
    def authenticated_by(self, authenticator: Authenticator) -> Iterator[None]:
        """From the next reload on clients are who an authenticator says."""
        authenticators = self._parts.surface.sources.authenticators
        with mock.patch.object(authenticators, "authenticator_for", return_value=authenticator):
            yield
