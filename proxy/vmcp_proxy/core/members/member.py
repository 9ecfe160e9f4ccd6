"""The members of the group as this process serves them: backend, static headers, bounds, health, circuit."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.spec.operational import Operational
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import Backend
from vmcp_proxy.core.members.circuit import Circuit
from vmcp_proxy.core.members.health import HealthTracker
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, Collision, HeaderSnapshot, OutgoingHeaders, merge

StaticHeaders = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One backend that is served; replaced as a whole when its config or a secret of it changes."""

    config: BackendConfig
    backend: Backend
    static: StaticHeaders = field(repr=False)
    health: HealthTracker
    recipe: object = field(default=None, repr=False)
    """What the backend was built from: equal recipes need no new backend."""
    circuit: Circuit = field(default_factory=Circuit, repr=False)
    attention: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set where its supervisor should think again."""
    name: str = field(init=False)
    """Its name within the group."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.config.name)

    def __repr__(self) -> str:
        return f"<Member {self.config.name} {self.config.transport} {self.health.state}>"

    def headers_for(self, snapshot: HeaderSnapshot) -> OutgoingHeaders | Collision:
        """What a request of the client with this snapshot carries; nothing where headers cannot reach it."""
        return merge(snapshot, self.static) if self.backend.takes_headers else ()

    def collision(self, found: Collision) -> BackendError:
        """Why a client with such headers cannot reach this backend."""
        hint = f"{found.header} is both a passthrough and a static header; remove it from one of them"
        return BackendError(self.name, Category.HEADERS, hint)

    @property
    def own_headers(self) -> OutgoingHeaders:
        """What a request carries that no client stands behind."""
        headers = self.headers_for(EMPTY_SNAPSHOT)
        return () if isinstance(headers, Collision) else headers


@dataclass(frozen=True, slots=True)
class Bounds:
    """Waits in seconds for calls and listings, by backend."""

    operational: Operational

    def call(self, backend: str) -> float:
        """The bound of one call."""
        timeouts = self.operational.timeouts
        return timeouts.per_workload.get(backend, timeouts.default)

    @property
    def handshake(self) -> float:
        """How long a backend may take to open a session for a listing; as long as to answer a probe."""
        return self.operational.failure_handling.health_check_timeout

    @property
    def listing(self) -> float:
        """How long an answer to a client waits for one backend's listing."""
        return self.operational.timeouts.list

    @property
    def maximum(self) -> float:
        """The bound that progress cannot move."""
        return self.operational.timeouts.maximum


Members = Mapping[str, Member]
