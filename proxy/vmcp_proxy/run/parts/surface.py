"""Builds what listens: the chain and the endpoint behind it, the admin application, the servers of both."""

import logging
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from vmcp_api.config import ProxyConfig
from vmcp_api.spec.headers import PassthroughHeaderMode
from vmcp_proxy.auth.incoming.authenticators import Authenticators
from vmcp_proxy.auth.incoming.protected_resource import ProtectedResource
from vmcp_proxy.backends.budget import ReadBudget
from vmcp_proxy.clients.listen.clients import ListenClients
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.pagination import ListEncoder
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.observability.tracing.propagation import NAMES as CONTEXT
from vmcp_proxy.observability.tracing.spans import Tracing
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.parts.core import CoreParts
from vmcp_proxy.run.parts.sessions import SessionParts
from vmcp_proxy.run.settings import LOGGER, SOFTWARE_VERSION, LiveConfig, Settings
from vmcp_proxy.run.status import ProxyStatus
from vmcp_proxy.run.telemetry.audit import AuditOutput
from vmcp_proxy.run.telemetry.tracing import LiveTracing
from vmcp_proxy.serve.apps.admin import build_admin_app
from vmcp_proxy.serve.apps.explain import Explainer
from vmcp_proxy.serve.apps.mcp import build_mcp_app
from vmcp_proxy.serve.apps.well_known import WellKnown, WellKnownSettings
from vmcp_proxy.serve.chain.chain import ChainServices, ChainSettings, LiveChain, build_chain
from vmcp_proxy.serve.chain.header_rules import HostRule, is_loopback
from vmcp_proxy.serve.chain.header_validation import HeaderPolicy
from vmcp_proxy.serve.chain.sources import parse_networks
from vmcp_proxy.serve.chain.stream_timeout import InFlight
from vmcp_proxy.serve.eras.introduction import Introduction
from vmcp_proxy.serve.eras.keep_alive import KeepAlive
from vmcp_proxy.serve.eras.router import EraRouter
from vmcp_proxy.serve.eras.settings import EndpointSettings, LiveSettings, ServerInfo
from vmcp_proxy.serve.http.listener import CONNECTION, Listener
from vmcp_proxy.serve.legacy.answer_streams import AnswerStreams
from vmcp_proxy.serve.legacy.endpoint import Endpoint
from vmcp_proxy.serve.legacy.fitting import fit_entry
from vmcp_proxy.serve.legacy.get_stream import GetStream
from vmcp_proxy.serve.legacy.handshake import Handshake
from vmcp_proxy.serve.legacy.requests import Requests
from vmcp_proxy.serve.modern.endpoint import ModernEndpoint
from vmcp_proxy.serve.modern.listen_stream import ListenStreams
from vmcp_proxy.serve.modern.requests import ModernRequests
from vmcp_proxy.serve.rejections import MCP_PATH
from vmcp_proxy.serve.servers import Opens, Servers
from vmcp_proxy.serve.stdio.front import StdioListener


@dataclass(frozen=True, slots=True)
class ChainSources:
    """Where the settings of the chain come from, beside the config."""

    is_local: bool
    authenticators: Authenticators
    audit: AuditOutput
    tracing: LiveTracing

    def settings(self, loaded: Loaded) -> ChainSettings:
        """What the layers of the chain follow under a config and its secrets.

        Raises:
            OSError: the audit file cannot be opened.
        """
        config = loaded.config
        # First what can fail: an authenticator that is not kept has lost what it knew.
        auditor = self.audit.auditor_for(loaded)
        oidc = config.incoming_auth.oidc
        secret = loaded.usable(oidc.client_secret_ref) if oidc else None
        tracer = self.tracing.tracing_for(loaded)
        return ChainSettings(
            policy=HeaderPolicy.of(config, local=self.is_local, legacy_revisions=CLIENT_REVISIONS),
            maximum=config.config.operational.timeouts.maximum,
            authenticator=self.authenticators.authenticator_for(config.incoming_auth, secret),
            allow_list=AllowList.of(_passed(config, tracer), _relayed(config)),
            auditor=auditor,
            resource=ProtectedResource.of(config.incoming_auth, MCP_PATH),
            tracer=tracer,
            trusted_proxies=parse_networks(config.config.operational.trusted_proxies),
        )


def _audit_output(settings: Settings, logger: logging.Logger) -> AuditOutput:
    # A pod without a disk serves; a person who has mistyped a path is told before anybody is served.
    return AuditOutput(logger, must_open=not settings.needs_keys)


def _passed(config: ProxyConfig, tracer: Tracing | None) -> tuple[str, ...]:
    """The headers that every backend gets; where requests are traced, each has a context of its own."""
    names = config.passthrough_headers
    return names if tracer is None else tuple(name for name in names if name.lower() not in CONTEXT)


def _relayed(config: ProxyConfig) -> Iterator[str]:
    """The headers that some backend alone is relayed."""
    for backend in config.backends:
        if backend.outgoing_auth is not None and backend.outgoing_auth.relay is not None:
            yield from backend.outgoing_auth.relay.headers


@dataclass(frozen=True, slots=True)
class SurfaceParts:
    """What is built once; `settings` and `chain` hold what the config decides, each replaced as a whole."""

    sources: ChainSources
    services: ChainServices
    chain: LiveChain
    settings: LiveSettings
    dispatch: EraRouter
    endpoint: Endpoint
    handshake: Handshake
    requests: Requests
    get_stream: GetStream
    listen: ListenClients
    keep_alive: KeepAlive
    answers: AnswerStreams
    in_flight: InFlight
    servers: Servers
    well_known: WellKnown
    budget: CatalogBudget
    mirrors: bool

    def configure(self, loaded: Loaded) -> None:
        """Follows another config from the next request on.

        Raises:
            OSError: the audit file cannot be opened; nothing has changed.
        """
        config, former = loaded.config, self.sources.authenticators.current
        settings = self.sources.settings(loaded)
        self.chain.current = build_chain(settings, self.dispatch, self.services)
        self.well_known.current = WellKnownSettings(settings.policy.hosts, settings.resource)
        self.settings.current = endpoint_settings(config, self.budget, mirrors=self.mirrors)
        if settings.authenticator is not former:
            # Who listens was let in by another: clients come back and are asked by this one.
            self.get_stream.end_all()
            self.listen.finish_all()
        self.servers.drain = config.config.operational.timeouts.drain

    def close_streams(self) -> None:
        """Lets the streams of both eras end, and those that come, so that clients go to another pod."""
        self.get_stream.close_all()
        self.listen.close_all()

    def supervisors(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for as long as the process."""
        return (self.keep_alive.run(), self.answers.run(), self.in_flight.run(), self.services.refusals.run())


def endpoint_settings(config: ProxyConfig, budget: CatalogBudget, *, mirrors: bool = False) -> EndpointSettings:
    """What the endpoints of both eras follow under a config; the first backend is that which we mirror, if we do.

    The `budget` keeps pages of lists.
    """
    page_size = config.config.operational.limits.page_size
    return EndpointSettings(
        info=ServerInfo(config.name, SOFTWARE_VERSION),
        instructions=config.config.instructions,
        takes_request_headers=config.passthrough_header_mode is PassthroughHeaderMode.REQUEST,
        legacy_pages=ListEncoder(page_size, budget, fit=fit_entry),
        modern_pages=ListEncoder(page_size, budget),
        keep_alive=config.config.operational.keep_alive_interval,
        mirrored=next((each.name for each in config.backends), None) if mirrors else None,
    )


def build_surface(
    settings: Settings,
    loaded: Loaded,
    config: LiveConfig,
    authenticators: Authenticators,
    sessions: SessionParts,
    core: CoreParts,
    status: ProxyStatus,
    metrics: Metrics,
    explainer: Explainer,
    reads: ReadBudget,
) -> SurfaceParts:
    """Nothing listens before the servers run; `reads` wait while clients do not read what they have.

    Raises:
        OSError: the audit file cannot be opened.
    """
    logger = logging.getLogger(LOGGER)
    sources = ChainSources(settings.is_local, authenticators, _audit_output(settings, logger), LiveTracing(logger))
    mirrors = settings.attaches_to is not None
    live = LiveSettings(endpoint_settings(config.current, core.services.budget, mirrors=mirrors))
    keep_alive, answers = KeepAlive(live), AnswerStreams(sessions.clients.replay)
    manager, clients, news = sessions.manager, sessions.clients, sessions.news
    get_stream = GetStream(clients, core.links, core.notifier, answers, news.listening, live)
    introduction = Introduction(core.virtual, core.own_links, live)
    requests = Requests(core.virtual, core.links, metrics, news.remember_level, live)
    handshake = Handshake(manager, clients, introduction, live)
    endpoint = Endpoint(manager, clients, handshake, requests, get_stream, keep_alive, answers, core.messages, live)
    streams = ListenStreams(core.virtual, core.listen, core.notifier)
    modern_requests = ModernRequests(core.virtual, core.pausing.calls, introduction, streams, metrics, live)
    dispatch = EraRouter(endpoint, ModernEndpoint(core.stateless, modern_requests, keep_alive))
    in_flight = InFlight()
    services = ChainServices(metrics, in_flight, logger, manager.is_ours)
    chain_settings = sources.settings(loaded)
    chain = LiveChain(build_chain(chain_settings, dispatch, services))
    well_known = WellKnown(WellKnownSettings(chain_settings.policy.hosts, chain_settings.resource), metrics.on_rejected)
    admin = _admin(settings, status, metrics, explainer)
    servers = _servers(settings, config, chain, well_known, in_flight, admin, metrics, reads)
    return SurfaceParts(
        sources,
        services,
        chain,
        live,
        dispatch,
        endpoint,
        handshake,
        requests,
        get_stream,
        core.listen,
        keep_alive,
        answers,
        in_flight,
        servers,
        well_known,
        core.services.budget,
        mirrors,
    )


def _servers(
    settings: Settings,
    config: LiveConfig,
    chain: LiveChain,
    well_known: WellKnown,
    in_flight: InFlight,
    admin: Listener | None,
    metrics: Metrics,
    reads: ReadBudget,
) -> Servers:
    def on_end() -> None:
        servers.stop()

    def on_gone() -> None:
        # Twice: nobody reads the answers of what is in flight.
        servers.stop()
        servers.stop()

    def request_limit() -> int:
        return config.operational.limits.request_body

    front: Opens
    if settings.pipes is None:
        count = partial(metrics.on_rejected, CONNECTION)
        app = build_mcp_app(chain, well_known)
        front = Listener(app, settings.host, settings.port, on_refused=count, reads=reads)
    else:
        front = StdioListener(chain, settings.pipes, request_limit, on_end, on_gone)
    servers = Servers(
        front,
        admin,
        drain=config.operational.timeouts.drain,
        drained=in_flight.drained,
        cut=in_flight.cut_all,
    )
    return servers


def _admin(settings: Settings, status: ProxyStatus, metrics: Metrics, explainer: Explainer) -> Listener | None:
    if settings.admin_port is None:
        return None
    rule = HostRule(loopback=is_loopback(settings.admin_host))
    return Listener(build_admin_app(status, metrics, explainer, rule), settings.admin_host, settings.admin_port)
