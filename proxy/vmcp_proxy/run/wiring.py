"""The root: builds the rooms of one proxy in their order and connects them."""

import asyncio
import ipaddress
import logging
from collections.abc import Coroutine
from typing import Any

from vmcp_api.config import ProxyConfig
from vmcp_proxy.auth.incoming.authenticators import Authenticators
from vmcp_proxy.core.explain.explainer import Explainer
from vmcp_proxy.core.policy.questions import Admitter, DecisionObserver
from vmcp_proxy.http_client import ClientLimits, HttpClient
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.parts.core import build_core_parts, core_settings
from vmcp_proxy.run.parts.keys import SessionKeys
from vmcp_proxy.run.parts.limits import limits_report
from vmcp_proxy.run.parts.members import Assembler
from vmcp_proxy.run.parts.redis import build_redis, configure_redis
from vmcp_proxy.run.parts.sessions import build_sessions
from vmcp_proxy.run.parts.surface import build_surface
from vmcp_proxy.run.settings import LOGGER, SOFTWARE_VERSION, LiveConfig, Settings
from vmcp_proxy.run.status import ProxyState, ProxyStatus
from vmcp_proxy.run.telemetry.metrics import MetricsExport
from vmcp_proxy.sessions import Keyring


class Wiring:
    """Every part of one run, room by room; `tasks` holds the work that outlives a request."""

    def __init__(
        self,
        settings: Settings,
        state: ProxyState,
        metrics: Metrics,
        decisions: DecisionObserver,
        tasks: asyncio.TaskGroup,
    ) -> None:
        loaded = state.loaded
        self.config = LiveConfig(loaded.config)
        self.client = _build_client(settings, loaded.config)
        self.metrics_export = MetricsExport(metrics, logging.getLogger(LOGGER))
        self.authenticators = Authenticators(self.client, tasks)
        self.assembler = Assembler(self.client, tasks, SOFTWARE_VERSION, settings.attaches_to)
        self.redis = build_redis(loaded)
        self.keys = SessionKeys(loaded.keyring or settings.keyring, loaded.config.signing_key, self.rotate)
        self.sessions = build_sessions(loaded.config, self.redis, self.keys.keyring, tasks)
        self.core = core = build_core_parts(
            self.config, self.redis, self.sessions, metrics, decisions, self.client, tasks
        )
        self.status = ProxyStatus(
            state,
            self.sessions.store,
            lambda: core.group.members,
            core.own_links,
            core.catalog,
            core.limited_beside,
            lambda: self.authenticators.provider_state,
            lambda: limits_report(self.config.current, core.services.limits.limiter),
            lambda: self.surface.sources.audit.report,
            lambda: core.search.report,
            core.listed,
            lambda: self.assembler.lack,
            lambda: self.keys.keyring,
        )
        self.explainer = Explainer(
            core.views,
            core.resolver,
            core.group,
            lambda: {each.name: each.message for each in state.withheld},
            lambda: core.services.limits.limiter.state,
            core.workflows,
            core,
        )
        self.surface = build_surface(
            settings,
            loaded,
            self.config,
            self.authenticators,
            self.sessions,
            core,
            self.status,
            metrics,
            self.explainer,
            self.assembler.reads,
        )

    def supervisors(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for as long as the process; a crash of one ends it."""
        return (
            self.sessions.manager.run(),
            self.sessions.pods.run(),
            self.keys.run(),
            self.core.notifier.run(),
            self.core.ageing.run(),
            self.core.stateless.run(),
            self.metrics_export.run(),
            *self.surface.supervisors(),
        )

    def configure(self, loaded: Loaded, admitter: Admitter) -> None:
        """Has every room follow a new config.

        Storage, connection bounds and addresses hold from the start of the process to its end.

        Raises:
            OSError: the audit file cannot be opened; nothing has changed.
        """
        config, former = loaded.config, self.surface.settings.current
        # First what can fail, so that a refused config changes nothing.
        self.surface.configure(loaded)
        configure_redis(self.redis, loaded)
        self.metrics_export.configure(loaded)
        self.core.configure(loaded, admitter)
        self.explainer.configure(core_settings(config, admitter), config.config.aggregation, config.incoming_auth)
        self.sessions.manager.configure(config.session_management)
        self.core.stateless.configure(config.session_management)
        if self.surface.settings.current.takes_request_headers is not former.takes_request_headers:
            # A session has its headers from its beginning, or never: under the other mode it would lack them.
            self.sessions.manager.drop_all()
        self.config.current = config

    def rotate(self, keyring: Keyring) -> None:
        """Has everything that is keyed follow other keys.

        Where one of the former is gone, what is held for clients without sessions ends: nobody knows by which it came.
        """
        if self.sessions.rotate(keyring):
            self.core.pausing.parking.end()
            self.core.stateless.drop_all()
            self.core.listen.finish_all()

    async def aclose(self) -> None:
        """Releases everything, from the sessions inwards; backends hear that their sessions are over.

        No request is left, so what is to be said of them goes out meanwhile: collectors and backends that hang cost one
        wait together, within what a pod has beyond its drain (ADR-0014).
        """
        self.metrics_export.end()
        async with asyncio.TaskGroup() as ends:
            ends.create_task(asyncio.to_thread(self.metrics_export.join))
            ends.create_task(asyncio.to_thread(self.surface.sources.audit.close))
            ends.create_task(asyncio.to_thread(self.surface.sources.tracing.close))
            ends.create_task(self._close_rooms())

    async def _close_rooms(self) -> None:
        self.authenticators.close()
        await self.sessions.manager.aclose()
        await self.core.pausing.aclose()
        self.core.search.close()
        await self.core.stateless.aclose()
        await self.core.group.aclose()
        await self.assembler.aclose()
        await self.sessions.store.aclose()
        if self.redis is not None:
            await self.redis.link.aclose()
        await self.client.aclose()


def _build_client(settings: Settings, config: ProxyConfig) -> HttpClient:
    operational = config.config.operational
    limits = ClientLimits(
        connect_timeout=operational.timeouts.connect,
        max_connections=operational.limits.connections_per_backend,
    )
    denied = frozenset(ipaddress.ip_address(text) for text in settings.api_server)
    return HttpClient(limits, denied_addresses=denied)
