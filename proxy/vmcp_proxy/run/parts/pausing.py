"""Builds what lets calls of clients without a session wait for their clients (ADR-0061)."""

import asyncio
from dataclasses import dataclass

from vmcp_proxy.clients.rounds.leases import Leases, ReceiverOf
from vmcp_proxy.clients.rounds.pausable_calls import PausableCalls, PausedCall
from vmcp_proxy.clients.stateless_clients import StatelessClients
from vmcp_proxy.core.calls.rounds import RequestStates
from vmcp_proxy.core.parking import Parking
from vmcp_proxy.core.stack import LiveCore
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

    async def aclose(self) -> None:
        """Gives up the calls that wait, and ends the sessions that they had at backends."""
        self.parking.end()
        await self.leases.aclose()


def build_pausing(
    config: LiveConfig,
    sessions: SessionParts,
    core: LiveCore,
    states: RequestStates,
    stateless: StatelessClients,
    receiver_of: ReceiverOf,
    metrics: Metrics,
    tasks: asyncio.TaskGroup,
) -> PausingParts:
    """Begins to take answers that come to other pods."""

    def longest_call() -> float:
        return config.operational.timeouts.maximum

    leases = Leases(tasks, receiver_of, metrics.on_backend_session_end)
    stateless.on_let_go = leases.forget
    parking: Parking[PausedCall] = Parking()
    elsewhere = ParkedElsewhere(sessions.pods, tasks)
    pod = sessions.pods.pod
    calls = PausableCalls(core, states, leases, parking, elsewhere, stateless.hold, tasks, pod, longest_call)
    elsewhere.serve(calls.go_on)
    return PausingParts(calls, parking, leases)
