"""Builds what lets calls of clients without a session wait for their clients (ADR-0061)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from vmcp_proxy.backends.credentials import NO_CREDENTIALS, Credentials
from vmcp_proxy.clients.rounds.leases import Leases, ReceiverOf
from vmcp_proxy.clients.rounds.pausable_calls import PausableCalls, PausedCall
from vmcp_proxy.clients.stateless.clients import StatelessClients
from vmcp_proxy.core.calls.pausing.rounds import RequestStates
from vmcp_proxy.core.members.member import Members
from vmcp_proxy.core.parking import Parking
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.pods.parked_calls import ParkedElsewhere
from vmcp_proxy.run.parts.sessions import SessionParts
from vmcp_proxy.run.settings import LiveConfig


@dataclass(frozen=True, slots=True)
class PausingParts:
    """`calls` are those of clients without a session, `parking` has the ones that wait."""

    calls: PausableCalls
    parking: Parking[PausedCall]
    leases: Leases
    elsewhere: ParkedElsewhere

    async def aclose(self) -> None:
        """Gives up the calls that wait, and ends the sessions that they had at backends."""
        self.elsewhere.end()
        self.parking.end()
        await self.leases.aclose()


def build_pausing(
    config: LiveConfig,
    sessions: SessionParts,
    core: LiveCore,
    states: RequestStates,
    stateless: StatelessClients,
    receiver_of: ReceiverOf,
    members: Callable[[], Members],
    metrics: Metrics,
    tasks: asyncio.TaskGroup,
) -> PausingParts:
    """Begins to take answers that come to other pods."""

    def longest_call() -> float:
        return config.operational.timeouts.maximum

    def credentials_of(caller: Caller, backend: str) -> Credentials:
        member = members().get(backend)
        found = None if member is None else caller.client.credentials_for(member, caller.identity, caller.snapshot)
        return NO_CREDENTIALS if found is None or isinstance(found, Collision) else found

    leases = Leases(tasks, receiver_of, metrics.on_backend_session_end)
    stateless.on_let_go = leases.forget
    connections = config.operational.limits.connections_per_backend
    parking: Parking[PausedCall] = Parking(most_at_one=max(1, connections // 2))
    elsewhere = ParkedElsewhere(sessions.pods, tasks)
    pod = sessions.pods.pod
    calls = PausableCalls(
        core, states, leases, parking, elsewhere, stateless.hold, tasks, pod, longest_call, credentials_of, core.charge
    )
    elsewhere.serve(calls.go_on)
    return PausingParts(calls, parking, leases, elsewhere)
