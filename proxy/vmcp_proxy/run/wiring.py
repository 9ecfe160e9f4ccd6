"""Builds the parts of one proxy and connects them; decides nothing."""

import asyncio
import ipaddress
import logging
from collections.abc import Coroutine
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.spec.headers import PassthroughHeaderMode
from vmcp_proxy.auth.incoming.authenticators import Authenticators
from vmcp_proxy.backends.http import ClientLimits, HttpClient
from vmcp_proxy.backends.interface import Receiver
from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.messages import ClientMessages
from vmcp_proxy.clients.notifier import Notifier
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.server_requests import ServerRequests, forget_all
from vmcp_proxy.clients.services import SessionServices
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.clients.session_stream import SessionStream
from vmcp_proxy.core.calls.aggregate import Aggregate
from vmcp_proxy.core.calls.forwarder import Forwarder
from vmcp_proxy.core.calls.invalidation import Changes
from vmcp_proxy.core.calls.receivers import ClientReceiver
from vmcp_proxy.core.calls.resolver import Resolver
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.catalog.pagination import ListEncoder
from vmcp_proxy.core.group.group import Group
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.core.stack import CoreServices, CoreSettings, LiveCore, build_core
from vmcp_proxy.headerforward import AllowList, HeaderSnapshot
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.pods.announcer import News
from vmcp_proxy.pods.messages import PodMessages
from vmcp_proxy.pods.request_ids import RequestIds
from vmcp_proxy.pods.session_sharing import BetweenPods
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS
from vmcp_proxy.run.members import Assembler
from vmcp_proxy.run.settings import SOFTWARE_VERSION, Settings
from vmcp_proxy.run.status import ProxyState, ProxyStatus
from vmcp_proxy.serve.apps.admin import build_admin_app
from vmcp_proxy.serve.apps.mcp import build_mcp_app
from vmcp_proxy.serve.chain.audit_output import AuditOutput
from vmcp_proxy.serve.chain.chain import ChainServices, ChainSettings, LiveChain, build_chain
from vmcp_proxy.serve.chain.header_rules import HostRule, is_loopback
from vmcp_proxy.serve.chain.header_validation import HeaderPolicy
from vmcp_proxy.serve.chain.stream_timeout import InFlight
from vmcp_proxy.serve.http.listener import CONNECTION, Listener
from vmcp_proxy.serve.http.servers import Opens, Servers
from vmcp_proxy.serve.legacy.answer_streams import AnswerStreams
from vmcp_proxy.serve.legacy.endpoint import Endpoint
from vmcp_proxy.serve.legacy.fitting import fit_entry
from vmcp_proxy.serve.legacy.get_stream import GetStream
from vmcp_proxy.serve.legacy.handshake import Handshake, ServerInfo
from vmcp_proxy.serve.legacy.post_exchange import KeepAlive
from vmcp_proxy.serve.legacy.requests import Requests
from vmcp_proxy.serve.stdio.front import StdioListener
from vmcp_proxy.sessions import EndReason, KeyLabel, Keyring, Session, SessionIds, SessionManager, build_store

LOGGER: Final = "vmcp"
"""Name of the logger of the process."""


class Wiring:
    """Every part of one run; `tasks` holds the work that outlives a request."""

    def __init__(
        self,
        settings: Settings,
        state: ProxyState,
        metrics: Metrics,
        admitter: Admitter,
        tasks: asyncio.TaskGroup,
    ) -> None:
        config = state.loaded.config
        self._settings = settings
        self._longest = config.config.operational.timeouts.maximum
        self._max_request = config.config.operational.limits.request_body
        self.keyring = state.loaded.keyring or settings.keyring
        self.logger = logging.getLogger(LOGGER)
        self.audit = AuditOutput(self.logger)
        self.authenticators = Authenticators()
        self.client = _build_client(settings, config)
        self.assembler = Assembler(self.client, tasks, SOFTWARE_VERSION)
        self._wire_sessions(state, config, tasks)
        self._wire_core(config, metrics, admitter, tasks)
        self._wire_surface(state, config, metrics)

    def _wire_sessions(self, state: ProxyState, config: ProxyConfig, tasks: asyncio.TaskGroup) -> None:
        storage = config.session_storage
        references = (storage.password_ref, storage.sentinel_password_ref)
        password, sentinel_password = (state.loaded.value(ref) if ref is not None else None for ref in references)
        scope = f"{config.namespace}/{config.name}"
        self.store = build_store(storage, scope=scope, password=password, sentinel_password=sentinel_password)
        ids = SessionIds(self.keyring)
        self.pods = PodMessages(self.store, ids)
        self.sessions = SessionManager(
            store=self.store,
            ids=ids,
            settings=config.session_management,
            on_end=self._on_session_end,
        )
        self.clients = SessionClients()
        self.between = BetweenPods(self.pods, self.sessions.shared, self.clients)
        self.news = News(tasks, self.between, self.clients, is_shared=self.store.is_shared)

    def _wire_core(self, config: ProxyConfig, metrics: Metrics, admitter: Admitter, tasks: asyncio.TaskGroup) -> None:
        self.notifier = Notifier(self.clients)
        self.listings = Listings(tasks, self._on_change)
        self.own_links = OwnLinks(tasks)
        self.views = Views(self.listings, self.own_links, self._scope_of)
        self.changes = Changes(self.listings, self.views, self._on_change)
        forwarder = Forwarder(self.changes, metrics, self._on_change)
        resolver = Resolver(self.own_links, self.views)
        self.aggregate = Aggregate(self.views, resolver, forwarder)
        self._wire_clients(tasks)
        self.group = Group(
            tasks,
            self.listings,
            self.own_links,
            self.views,
            self.aggregate,
            self.links.configure,
            self._on_change,
        )
        self.core_services = CoreServices(self.aggregate, self.group)
        self.virtual = LiveCore(build_core(_core_settings(config, admitter), self.core_services))
        self.notifier.attach(self.virtual)

    def _wire_clients(self, tasks: asyncio.TaskGroup) -> None:
        self.links = Links(tasks, self.clients, self._remember_backend, self._receiver)
        self.server_requests = ServerRequests(
            tasks, self.pods.pod, RequestIds(self.pods.pod, lambda: self.keyring), lambda: self._longest
        )
        stream = SessionStream(self.between.to_stream, self._waits_here)
        self.clients.serve(SessionServices(self.clients, self.links, self.server_requests, stream, self.news.changed))
        self.messages = ClientMessages(
            self.server_requests, self.links, self.between.from_client, self.between.from_client_to_all
        )
        self.between.serve(self.links, self.messages, self._heard_elsewhere)

    def _wire_surface(self, state: ProxyState, config: ProxyConfig, metrics: Metrics) -> None:
        operational = config.config.operational
        self.keep_alive = KeepAlive(operational.keep_alive_interval)
        self.answers = AnswerStreams(self.clients.replay)
        self.get_stream = GetStream(self.clients, self.links, self.notifier, self.answers, self._on_listening)
        self.requests = Requests(self.virtual, self.links, metrics, self._remember_level)
        self.handshake = Handshake(self.sessions, self.clients, self.virtual, self.own_links)
        self.endpoint = Endpoint(
            self.sessions,
            self.clients,
            self.handshake,
            self.requests,
            self.get_stream,
            self.keep_alive,
            self.answers,
            self.messages,
        )
        self.in_flight = InFlight()
        self.services = ChainServices(metrics, self.in_flight, self.logger, self.sessions.is_ours)
        self.chain = LiveChain(build_chain(self.chain_settings(config), self.endpoint, self.services))
        self.status = ProxyStatus(state, self.store, lambda: self.group.members, self.own_links, self.views.shared)
        self.servers = Servers(
            self._front(metrics),
            self._admin(metrics),
            drain=operational.timeouts.drain,
            drained=self.in_flight.drained,
            cut=self.in_flight.cut_all,
        )

    def _front(self, metrics: Metrics) -> Opens:
        settings = self._settings
        if settings.pipes is None:
            count = partial(metrics.on_rejected, CONNECTION)
            return Listener(build_mcp_app(self.chain), settings.host, settings.port, on_refused=count)
        return StdioListener(self.chain, settings.pipes, self._request_limit, self._on_end, self._on_gone)

    def _admin(self, metrics: Metrics) -> Listener | None:
        settings = self._settings
        if settings.admin_port is None:
            return None
        rule = HostRule(loopback=is_loopback(settings.admin_host))
        return Listener(build_admin_app(self.status, metrics, rule), settings.admin_host, settings.admin_port)

    def _on_end(self) -> None:
        self.servers.stop()

    def _on_gone(self) -> None:
        # Twice: nobody reads the answers of what is in flight.
        self.servers.stop()
        self.servers.stop()

    def _request_limit(self) -> int:
        return self._max_request

    def supervisors(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for as long as the process; a crash of one ends it."""
        return (
            self.sessions.run(),
            self.pods.run(),
            self.notifier.run(),
            self.keep_alive.run(),
            self.answers.run(),
            self.in_flight.run(),
        )

    def configure(self, config: ProxyConfig, admitter: Admitter) -> None:
        """Hands the settings of a new config to the parts that live on.

        Storage, connection bounds and addresses hold from the start of the process to its end.
        """
        operational = config.config.operational
        # First what can fail (an audit file that cannot be opened), so that a refused config changes nothing.
        chain = build_chain(self.chain_settings(config), self.endpoint, self.services)
        self.chain.current = chain
        self.virtual.current = build_core(_core_settings(config, admitter), self.core_services)
        self.sessions.configure(config.session_management)
        by_request = config.passthrough_header_mode is PassthroughHeaderMode.REQUEST
        if by_request is not self.endpoint.takes_request_headers:
            # A session has its headers from its beginning, or never: under the other mode it would lack them.
            self.sessions.drop_all()
        self.endpoint.takes_request_headers = self.handshake.takes_request_headers = by_request
        self.handshake.info = ServerInfo(config.name, SOFTWARE_VERSION)
        self.handshake.instructions = config.config.instructions
        self.requests.encoder = ListEncoder(operational.limits.page_size, fit=fit_entry)
        self.get_stream.keep_alive = self.keep_alive.interval = operational.keep_alive_interval
        self.servers.drain = operational.timeouts.drain
        self._longest = operational.timeouts.maximum
        self._max_request = operational.limits.request_body

    def chain_settings(self, config: ProxyConfig) -> ChainSettings:
        """What the layers of the chain follow under a config."""
        return ChainSettings(
            policy=HeaderPolicy.of(config, local=self._settings.is_local, legacy_revisions=CLIENT_REVISIONS),
            maximum=config.config.operational.timeouts.maximum,
            authenticator=self.authenticators.authenticator_for(config.incoming_auth),
            allow_list=AllowList.of(config.passthrough_headers),
            auditor=self.audit.auditor_for(config),
        )

    def rotate(self, keyring: Keyring) -> None:
        """Takes new session keys; sessions whose key is gone end."""
        if not keyring.is_same(self.keyring):
            self.keyring = keyring
            self.sessions.rotate(keyring)

    async def aclose(self) -> None:
        """Releases everything, from the sessions inwards; backends hear that their sessions are over."""
        await self.sessions.aclose()
        await self.group.aclose()
        await self.assembler.aclose()
        await self.store.aclose()
        await self.client.aclose()
        await asyncio.to_thread(self.audit.close)

    async def _on_session_end(self, session: Session, reason: EndReason) -> None:
        client = self.clients.remove(session) or self.clients.of(session)
        forget_all(client)
        await self.links.release(client, end_sessions=reason.deletes_backend_sessions)

    def _receiver(self, client: SessionClient, member: Member) -> Receiver:
        return ClientReceiver(client, member, self.changes)

    async def _remember_level(self, session: Session, level: str) -> None:
        await self.sessions.shared.remember_level(session, level)
        self.news.stored(session)

    async def _remember_backend(self, session: Session, backend: str, token: bytes) -> None:
        await self.sessions.shared.remember_backend(session, backend, token)
        self.news.stored(session)

    def _heard_elsewhere(self, client: SessionClient, backend: str) -> None:
        if (member := self.group.members.get(backend)) is not None:
            self.changes.heard_elsewhere(member, client)

    def _on_listening(self, client: SessionClient) -> None:
        self.news.listening(client, self.links)

    async def _waits_here(self, session: Session) -> None:
        if self.store.is_shared:
            await self.between.waits_here(session)

    def _on_change(self) -> None:
        self.views.changed()
        self.notifier.changed()

    def _scope_of(self, snapshot: HeaderSnapshot) -> str:
        key = self.keyring.derive(self.keyring.signing_kid, KeyLabel.CACHE)
        return blake2b(snapshot.canonical_bytes(), key=key, digest_size=16).hexdigest()


def _core_settings(config: ProxyConfig, admitter: Admitter) -> CoreSettings:
    return CoreSettings(admitter, config.config.operational.failure_handling.partial_failure_mode)


def _build_client(settings: Settings, config: ProxyConfig) -> HttpClient:
    operational = config.config.operational
    limits = ClientLimits(
        connect_timeout=operational.timeouts.connect,
        max_connections=operational.limits.connections_per_backend,
    )
    denied = frozenset(ipaddress.ip_address(text) for text in settings.api_server)
    return HttpClient(limits, denied_addresses=denied)
