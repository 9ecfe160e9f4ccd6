"""Builds the core, and the ways between it and the clients of sessions."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.spec.composite import CompositeTool
from vmcp_api.spec.step_types import calls_of
from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.listen.clients import ListenClients
from vmcp_proxy.clients.messages import ClientMessages
from vmcp_proxy.clients.notifier import Notifier
from vmcp_proxy.clients.server_requests import ServerRequests
from vmcp_proxy.clients.services import SessionServices
from vmcp_proxy.clients.stateless.clients import StatelessClients
from vmcp_proxy.clients.streaming.session_stream import SessionStream
from vmcp_proxy.core.calls.aggregate import Aggregate
from vmcp_proxy.core.calls.forwarder import Forwarder
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.calls.invalidation import Changes
from vmcp_proxy.core.calls.pausing.rounds import RequestStates, Rounds
from vmcp_proxy.core.calls.receivers import ClientReceiver
from vmcp_proxy.core.calls.resolver import Resolver
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.catalog.budget import CatalogBudget
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.group.group import Group
from vmcp_proxy.core.listings.ageing import Ageing
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.listings.scopes import SHARED, Digests
from vmcp_proxy.core.members.member import Member, Members
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.core.policy.questions import Admitter, AllowAll, DecisionObserver
from vmcp_proxy.core.policy.reach import Errand, Reach
from vmcp_proxy.core.stack import CoreServices, CoreSettings, LiveCore, build_core, limits_around
from vmcp_proxy.http_client import HttpClient
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.pods.request_ids import RequestIds
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.parts.limits import build_limits
from vmcp_proxy.run.parts.pausing import PausingParts, build_pausing
from vmcp_proxy.run.parts.search import LiveSearch
from vmcp_proxy.run.parts.sessions import SessionParts
from vmcp_proxy.run.parts.workflows import LiveWorkflows
from vmcp_proxy.run.settings import LiveConfig

if TYPE_CHECKING:
    from vmcp_proxy.redis_client.service import RedisService

logger: Final = logging.getLogger("vmcp.core")


@dataclass(frozen=True, slots=True)
class CoreParts:
    """`virtual` is the whole core, `services` what its layers stand on."""

    virtual: LiveCore
    services: CoreServices
    group: Group
    views: Views
    resolver: Resolver
    listings: Listings
    ageing: Ageing
    own_links: OwnLinks
    links: Links
    stateless: StatelessClients
    pausing: PausingParts
    listen: ListenClients
    notifier: Notifier
    messages: ClientMessages
    workflows: LiveWorkflows
    search: LiveSearch

    def configure(self, loaded: Loaded, admitter: Admitter) -> None:
        """Follows another config and policy from the next call on; the group's members are told apart from it."""
        config = loaded.config
        tools = config.config.composite_tools
        self.services.budget.configure(config.config.operational.limits.catalog_bytes)
        self.ageing.configure(config.session_management)
        self.services.reach.configure(admitter, config.config.aggregation, errands_of(tools))
        composites, search = self.workflows.follow(config), self.search.follow(loaded)
        settings = replace(core_settings(config, admitter), composites=composites, search=search)
        self.virtual.current = build_core(settings, self.services)
        self.virtual.limits = limits_around(self.services.aggregate, settings, self.services)
        self.listen.configure(config.session_management, admitter)

    def limited_beside(self, catalog: Catalog) -> Collection[str]:
        """The tools that limits can be about although the catalog has none of their names."""
        return {*self.workflows.within_steps(catalog), *self.search.limited}

    def whole(self, catalog: Catalog) -> Catalog:
        """See `Searches.whole`."""
        return self.workflows.beside(catalog)

    def listed(self, catalog: Catalog) -> Catalog | None:
        """See `Searches.listed`."""
        return self.search.listed(catalog)

    def catalog(self) -> Catalog:
        """What the proxy itself sees now, of what is known: what clients without headers and capabilities can see."""
        return self.search.beside(self.whole(self.views.shared()))


def errands_of(tools: Iterable[CompositeTool]) -> tuple[Errand, ...]:
    """The composite tools whose steps policies are not asked about."""
    unjudged = (tool for tool in tools if not tool.authorize_steps)
    return tuple(
        Errand(tool.name, tuple(name for step in tool.steps for _, name in calls_of(step))) for tool in unjudged
    )


def core_settings(config: ProxyConfig, admitter: Admitter) -> CoreSettings:
    """What the layers of the core follow under a config."""
    behaviour = config.config
    partial_failure_mode = behaviour.operational.failure_handling.partial_failure_mode
    return CoreSettings(admitter, partial_failure_mode, behaviour.rate_limiting)


def tell_crowded(budget: CatalogBudget) -> None:
    """Says that keeping what callers see is of little use: it gives way before it is asked for again."""
    log_event(
        logger,
        logging.WARNING,
        "what callers see has no room: backends are asked again and again for lists of single callers; raise"
        " limits.catalogBytes, and the memory limit of the pod by as much",
        limit=budget.limit,
        kept=budget.used,
        dropped=budget.dropped,
    )


def build_core_parts(
    config: LiveConfig,
    redis: "RedisService | None",
    sessions: SessionParts,
    metrics: Metrics,
    decisions: DecisionObserver,
    client: HttpClient,
    tasks: asyncio.TaskGroup,
) -> CoreParts:
    """`tasks` hold the work that outlives a request; policies come with the first config that is followed.

    `client` asks what is no backend.
    """

    def on_change() -> None:
        views.changed()
        notifier.changed()

    reach = Reach()
    budget = CatalogBudget(config.operational.limits.catalog_bytes, tell_crowded)
    listings = Listings(tasks, on_change, budget)
    on_over = metrics.on_backend_session_end
    own_links = OwnLinks(tasks, on_over)
    views = Views(listings, own_links, Digests(sessions.keyring), reach, budget)
    changes = Changes(listings, views, on_change)
    hearing = Hearing(reach)
    resolver = Resolver(own_links, views, reach)
    forwarder, states = Forwarder(changes, hearing, metrics, on_change), RequestStates(sessions.keyring)
    aggregate = Aggregate(views, resolver, forwarder, Rounds(forwarder, states))

    def receiver_of(client: ClientContext, member: Member) -> ClientReceiver:
        return ClientReceiver(client, member, changes, hearing)

    links = Links(tasks, sessions.clients, sessions.news.remember_backend, receiver_of, hearing, on_over)
    messages = _serve_clients(config, sessions, links, changes, tasks)
    stateless = StatelessClients(tasks, hearing, on_over)

    def has_own_lists(member: Member, client: ClientContext) -> bool:
        return views.scope_for(member, client) != SHARED

    listen = ListenClients(tasks, receiver_of, has_own_lists, changes, hearing, on_over)
    notifier = Notifier(sessions.clients.listening, listen.all)

    def note_use() -> None:
        for caller in notifier.callers():
            views.note_use(caller)

    def on_members(members: Members) -> None:
        links.configure(members)
        stateless.serve(members)
        listen.serve(members)

    group = Group(tasks, listings, own_links, views, aggregate, on_members, on_change)
    limits = build_limits(config.current, redis, sessions.keyring, views.asks, views.asks_for_one, tasks)
    services = CoreServices(aggregate, views.current_shared, group, decisions, resolver.known, reach, limits, budget)
    virtual = LiveCore(build_core(core_settings(config.current, AllowAll()), services))
    notifier.attach(virtual)
    pausing = build_pausing(
        config, sessions, virtual, states, stateless, receiver_of, lambda: group.members, metrics, tasks
    )
    return CoreParts(
        virtual,
        services,
        group,
        views,
        resolver,
        listings,
        Ageing(listings, budget, note_use),
        own_links,
        links,
        stateless,
        pausing,
        listen,
        notifier,
        messages,
        LiveWorkflows(metrics),
        LiveSearch(metrics, client, tasks),
    )


def _serve_clients(
    config: LiveConfig, sessions: SessionParts, links: Links, changes: Changes, tasks: asyncio.TaskGroup
) -> ClientMessages:
    """Gives clients what they share, and begins to take what other pods say of them."""

    def longest_call() -> float:
        return config.operational.timeouts.maximum

    between, news, pod = sessions.between, sessions.news, sessions.pods.pod
    requests = ServerRequests(tasks, pod, RequestIds(pod, sessions.keyring), longest_call)
    stream = SessionStream(between.to_stream, between.waits_here)
    sessions.clients.serve(SessionServices(sessions.clients, links, requests, stream, news.changed))
    messages = ClientMessages(requests, links, between.from_client, between.from_client_to_all)
    news.serve(links)
    between.serve(links, messages, changes.heard_elsewhere)
    return messages
