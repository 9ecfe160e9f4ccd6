"""The group that is served now: takes over a new config, and stops what it no longer names."""

import asyncio
from collections.abc import Callable, Mapping

from vmcp_api.config import ProxyConfig
from vmcp_proxy.core.calls.aggregate import Aggregate
from vmcp_proxy.core.calls.views import Views
from vmcp_proxy.core.group.supervisor import Supervisor
from vmcp_proxy.core.listings.cache import Listings
from vmcp_proxy.core.members.member import Bounds, Member, Members
from vmcp_proxy.core.members.own_links import OwnLinks


class Group:
    """The members with a supervisor each; `apply` is the only way in.

    `on_members` hears whom the clients' links may lead to from now on.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        listings: Listings,
        links: OwnLinks,
        views: Views,
        aggregate: Aggregate,
        on_members: Callable[[Members], None],
        on_change: Callable[[], None],
    ) -> None:
        self._tasks = tasks
        self._listings = listings
        self._links = links
        self._views = views
        self._aggregate = aggregate
        self._on_members = on_members
        self._on_change = on_change
        self._members: dict[str, Member] = {}
        self.withheld: frozenset[str] = frozenset()
        self._supervisors: dict[str, asyncio.Task[None]] = {}

    @property
    def members(self) -> Mapping[str, Member]:
        """The members served now."""
        return self._members

    def apply(self, config: ProxyConfig, members: dict[str, Member], withheld: frozenset[str]) -> None:
        """Serves these members by this config; those that are the same objects as before go on untouched.

        `withheld` are the names of those that cannot be served as they are configured.
        """
        bounds = Bounds(config.config.operational)
        gone = [member for name, member in self._members.items() if members.get(name) is not member]
        fresh = [name for name, member in members.items() if self._members.get(name) is not member]
        rebound = list(members) if self._views.bounds != bounds else fresh
        self._members = members
        self.withheld = withheld
        self._listings.ttl = config.config.operational.catalog_ttl
        self._listings.most_bytes = config.config.operational.limits.list_bytes
        self._listings.forget(set(members.values()))
        self._views.configure(members, withheld, config.config.aggregation, bounds)
        self._aggregate.configure(members, config.config.aggregation, bounds)
        handling = config.config.operational.failure_handling
        for member in members.values():
            member.health.threshold = handling.unhealthy_threshold
            member.circuit.configure(handling.circuit_breaker, handling.health_check_timeout)
        for name in [name for name in self._supervisors if name not in members]:
            self._supervisors.pop(name).cancel()
        for name in rebound:
            self._supervise(name, members[name], bounds)
        self._links.configure(members)
        self._on_members(members)
        for member in gone:
            self._tasks.create_task(member.backend.aclose(), name=f"close {member.name}")
        self._on_change()

    async def aclose(self) -> None:
        """Stops every supervisor and ends the proxy's own sessions and programs."""
        for task in self._supervisors.values():
            task.cancel()
        await asyncio.gather(*self._supervisors.values(), return_exceptions=True)
        self._supervisors.clear()
        await self._links.close_all()
        async with asyncio.TaskGroup() as group:
            for member in self._members.values():
                group.create_task(member.backend.aclose())

    def _supervise(self, name: str, member: Member, bounds: Bounds) -> None:
        running = self._supervisors.pop(name, None)
        if running is not None:
            running.cancel()
        supervisor = Supervisor(member, self._listings, self._links, bounds, self._on_change)
        self._supervisors[name] = self._tasks.create_task(supervisor.run(), name=f"supervise {name}")
