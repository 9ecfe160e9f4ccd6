"""One proxy over its whole life: started, reloaded, drained."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias

from vmcp_api.manifests.problems import Problems
from vmcp_api.pod_status import PodStatus
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.explain.explainer import Asked
from vmcp_proxy.core.explain.explanation import Explanation
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.policy.questions import Admitter
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.parts.limits import has_unshared_users
from vmcp_proxy.run.parts.policies import LivePolicies, PolicyDecisions
from vmcp_proxy.run.settings import LOGGER, Settings
from vmcp_proxy.run.status import ProxyState
from vmcp_proxy.run.telemetry.gauges import read_gauges
from vmcp_proxy.run.wiring import Wiring
from vmcp_proxy.sessions import Keyring, StoreState

logger: Final = logging.getLogger(LOGGER)

Watch: TypeAlias = Callable[["Proxy"], Coroutine[Any, Any, None]]
"""A supervisor that calls `apply` or `refuse` whenever the sources of the config change."""


class Proxy:
    """`run` serves until it is told to stop; `apply` takes a new config over while it runs.

    `admitter` takes the place of the config's policies; another one is in force from the next `apply` on.
    """

    def __init__(self, settings: Settings, loaded: Loaded, *, admitter: Admitter | None = None) -> None:
        self.settings: Final = settings
        self.state: Final = ProxyState(loaded, has_keys=not settings.needs_keys)
        self.metrics: Final = Metrics()
        self.started: Final = asyncio.Event()
        self.admitter = admitter
        self._decisions: Final = PolicyDecisions(self.metrics)
        self._policies: Final = LivePolicies(self._decisions)
        self._wiring: Wiring | None = None
        self._has_told_unshared = False

    async def run(self, watch: Watch | None = None) -> None:
        """Serves until SIGTERM, SIGINT or `stop`, and for the shutdown delay more, then drains.

        `started` is set once both ports listen.

        Raises:
            PortInUseError: a port is taken.
            ExceptionGroup: a supervisor crashed; the process should end and be started again.
        """
        async with asyncio.TaskGroup() as tasks:
            wiring = self._wiring = Wiring(self.settings, self.state, self.metrics, self._decisions, tasks)
            read_gauges(self.metrics, wiring)
            self.apply(self.state.loaded)
            supervisors = [tasks.create_task(each) for each in wiring.supervisors()]
            supervisors.append(tasks.create_task(self._announce()))
            if watch is not None:
                supervisors.append(tasks.create_task(watch(self)))
            try:
                await wiring.surface.servers.run(
                    on_stop=self._leave,
                    on_drain=wiring.surface.close_streams,
                    delay=self.settings.shutdown_delay,
                    handle_signals=self.settings.handles_signals,
                )
            finally:
                for supervisor in supervisors:
                    supervisor.cancel()
                await asyncio.gather(*supervisors, return_exceptions=True)
                await wiring.aclose()

    @property
    def wiring(self) -> Wiring:
        """The parts, while it runs.

        Raises:
            RuntimeError: it does not run.
        """
        if self._wiring is None:
            raise RuntimeError("the proxy does not run yet")
        return self._wiring

    @property
    def members(self) -> Mapping[str, Member]:
        """The backends served now."""
        return self.wiring.core.group.members

    @property
    def store_state(self) -> StoreState:
        """Whether the session store answers."""
        return self.wiring.sessions.store.state

    def catalog(self) -> Catalog:
        """What a client without headers and capabilities would see now, of what is known."""
        return self.wiring.core.catalog()

    async def explain(self, asked: Asked) -> Explanation:
        """What `/explain` says."""
        return await self.wiring.explainer.explain(asked)

    def status(self) -> PodStatus:
        """What `/status` says."""
        return self.wiring.status.status()

    @property
    def mcp_port(self) -> int:
        """The port of the endpoint, once it is started."""
        return self.wiring.surface.servers.mcp_port

    @property
    def admin_port(self) -> int:
        """The port of the admin application, once it is started."""
        return self.wiring.surface.servers.admin_port

    def stop(self) -> None:
        """Begins the shutdown; a second call waits for nothing."""
        self.wiring.surface.servers.stop()

    def apply(self, loaded: Loaded) -> None:
        """Serves by a config from the next request on; sessions, links and catalogs that still hold stay.

        Raises:
            OSError: the audit file cannot be opened; nothing has changed.
        """
        wiring = self.wiring
        assembled = wiring.assembler.assemble(loaded, wiring.core.group.members)
        wiring.configure(loaded, self.admitter or self._policies.admitter_for(loaded.config))
        self.state.policy_problem = self._policies.problem
        self.state.lacks_policies = self._policies.are_lacking
        self._take_keys(loaded.keyring, loaded.config.signing_key)
        self._tell_unshared(loaded)
        self.state.loaded = loaded
        self.state.withheld = assembled.withheld
        self.state.load_problems = Problems()
        wiring.core.group.apply(loaded.config, assembled.members, frozenset(each.name for each in assembled.withheld))
        log_event(
            logger,
            logging.INFO,
            "config loaded",
            config_hash=loaded.digest,
            backends=sorted(assembled.members),
            withheld=[each.name for each in assembled.withheld],
        )

    def _tell_unshared(self, loaded: Loaded) -> None:
        """Says once that each process would limit users for itself, which nothing else shows."""
        has_keys = self.settings.needs_keys or loaded.keyring is not None
        if self._has_told_unshared or not has_unshared_users(loaded.config, has_keys=has_keys):
            return
        self._has_told_unshared = True
        remedy = "give all replicas the same --keys; with one replica this is right but for restarts, which begin anew"
        log_event(logger, logging.WARNING, "rate limits of users hold for this process alone", remedy=remedy)

    def _take_keys(self, keyring: Keyring | None, named: str | None) -> None:
        """Rotates to the mounted keys; where all of them are gone the last ones stay in force, as a config would."""
        state = self.state
        if keyring is not None:
            self.wiring.keys.take(keyring, named)
            state.has_keys = state.has_mounted_keys = True
        elif self.settings.needs_keys and state.has_keys and not state.has_lost_keys:
            remedy = (
                "mount them again: a pod that starts without them is not ready, and the others' sessions are lost to it"
            )
            log_event(logger, logging.WARNING, "session keys are gone, the last ones stay in force", remedy=remedy)
        state.has_lost_keys = state.has_keys and self.settings.needs_keys and keyring is None

    def refuse(self, problems: Problems) -> None:
        """Notes a config that cannot be used; the last good one stays in force."""
        self.state.load_problems = problems
        for problem in problems.errors:
            log_event(logger, logging.ERROR, "config refused, the last good one stays", problem=str(problem))

    async def _announce(self) -> None:
        await self.wiring.surface.servers.started.wait()
        self.state.is_started = True
        self.started.set()

    def _leave(self) -> None:
        self.state.is_draining = True
