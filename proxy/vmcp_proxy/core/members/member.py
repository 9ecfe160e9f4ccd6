"""The members of the group as this process serves them: backend, static headers, bounds, health, circuit."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.spec.operational import Operational
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.authentication import (
    Strategy,
    callers_credentials,
    is_personal,
    own_credentials,
    refusal,
    relayed_names,
    trouble_of_callers,
)
from vmcp_proxy.backends.credentials import NO_CREDENTIALS, Credentials
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import Backend
from vmcp_proxy.core.members.circuit import Circuit
from vmcp_proxy.core.members.health import HealthTracker
from vmcp_proxy.headerforward import Collision, HeaderSnapshot, StaticHeaders


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One backend that is served; replaced as a whole when its config or a secret of it changes."""

    config: BackendConfig
    backend: Backend
    static: StaticHeaders = field(repr=False)
    health: HealthTracker
    recipe: object = field(default=None, repr=False)
    """What the backend was built from: equal recipes need no new backend."""
    strategy: Strategy | None = None
    """How it is authenticated to beside its static headers."""
    circuit: Circuit = field(default_factory=Circuit, repr=False)
    attention: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set where its supervisor should think again."""
    name: str = field(init=False)
    """Its name within the group."""
    own_credentials: Credentials = field(init=False, repr=False)
    """What a request carries that no client stands behind."""
    is_personal: bool = field(init=False, repr=False)
    """Whether it tells callers apart by who they are, so that what it lists for one is not for another."""
    relayed: frozenset[str] = field(init=False, repr=False)
    """The headers of the caller that it alone gets, by canonical name."""

    def __post_init__(self) -> None:
        name, takes_headers = self.config.name, self.backend.takes_headers
        own = own_credentials(name, self.static, self.strategy) if takes_headers else NO_CREDENTIALS
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "own_credentials", own)
        object.__setattr__(self, "is_personal", takes_headers and is_personal(self.strategy))
        object.__setattr__(self, "relayed", relayed_names(self.strategy) if takes_headers else frozenset())

    def __repr__(self) -> str:
        return f"<Member {self.config.name} {self.config.transport} {self.health.state}>"

    def credentials_for(self, identity: Identity, snapshot: HeaderSnapshot) -> Credentials | Collision:
        """What requests of this caller with this snapshot carry; nothing where headers cannot reach it."""
        if not self.backend.takes_headers or not (self.is_personal or len(snapshot)):
            return self.own_credentials
        return callers_credentials(self.name, self.static, self.strategy, identity, snapshot)

    def refusal(self, identity: Identity, snapshot: HeaderSnapshot) -> str:
        """Why it gets no request of this caller with this snapshot; empty where it does."""
        return refusal(self.strategy, identity, snapshot) if self.is_personal else ""

    @property
    def callers_trouble(self) -> str:
        """What keeps callers from a token for it and lies with none of them; empty where nothing does."""
        return trouble_of_callers(self.strategy) if self.is_personal else ""

    def collision(self, found: Collision) -> BackendError:
        """Why a client with such headers cannot reach this backend."""
        hint = f"{found.header} is both a passthrough and a static header; remove it from one of them"
        return BackendError(self.name, Category.HEADERS, hint)


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
