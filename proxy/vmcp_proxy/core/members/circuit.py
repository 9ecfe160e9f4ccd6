"""The circuit breaker of one backend: closed, open, half-open; it is told the time and does nothing (ADR-0025)."""

from dataclasses import dataclass
from typing import Final

from vmcp_api.pod_status import CircuitState
from vmcp_api.spec.operational import CircuitBreaker

_OFF: Final = CircuitBreaker()
CIRCUIT_IS_OPEN: Final = "is not called while its circuit is open"
"""What lists and the status say of such a backend; no time stands there, so that they change with the state only."""

_TRIAL_RETRY: Final = 1.0
"""What is told to those who come during a trial, in seconds: it decides soon."""


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """Leave to send a request; the outcome is told with it. It counts only as long as its period lasts."""

    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """No leave; it is worth asking again in `retry_after` seconds."""

    retry_after: float


class Circuit:
    """`failure_threshold` failures without an answer between them open it, one trial after `timeout` decides.

    A doubt (a call that got no answer, perhaps by its own fault) is no failure, but becomes one with the next
    failure. Outcomes of requests from before the last change of state say nothing any more. Times are in seconds
    of one clock. A breaker that is off lets everything pass and counts doubts only, for they are worth a probe.
    """

    __slots__ = (
        "_doubts",
        "_failures",
        "_opened_at",
        "_permit",
        "_settings",
        "_trial",
        "_trial_ends",
        "_trial_seconds",
        "entered",
        "refused",
    )

    def __init__(self, settings: CircuitBreaker = _OFF, trial_seconds: float = 10.0) -> None:
        self.entered = dict.fromkeys(CircuitState, 0)
        self.refused = 0
        self._settings = settings
        self._trial_seconds = trial_seconds
        self._failures = 0
        self._doubts = 0
        self._permit = Permit()
        self._opened_at: float | None = None
        self._trial: Permit | None = None
        self._trial_ends = 0.0

    def __repr__(self) -> str:
        return f"<Circuit {self.state} failures={self._failures} doubts={self._doubts}>"

    @property
    def is_enabled(self) -> bool:
        """Whether the breaker acts."""
        return self._settings.enabled

    @property
    def is_closed(self) -> bool:
        """Whether everything may pass."""
        return self._opened_at is None

    @property
    def is_doubted(self) -> bool:
        """Whether a probe should tell what to think of calls that got no answer."""
        return self._doubts > 0

    @property
    def state(self) -> CircuitState:
        """The present state; half-open while a trial is on its way."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._trial is None else CircuitState.HALF_OPEN

    @property
    def retry_at(self) -> float:
        """When the next trial may begin; zero while closed."""
        if self._opened_at is None:
            return 0.0
        return self._opened_at + self._settings.timeout if self._trial is None else self._trial_ends

    def configure(self, settings: CircuitBreaker, trial_seconds: float) -> None:
        """Takes over new settings; what was counted and when it opened stay; one that is off closes."""
        self._settings = settings
        self._trial_seconds = trial_seconds
        if not settings.enabled:
            self._failures = 0
            if self._opened_at is not None:
                self._close()

    def admit(self, now: float) -> Permit | Refused:
        """Leave to send a request, or not; after `timeout` the first to ask is the trial."""
        if self._opened_at is None:
            return self._permit
        if self._trial is not None and now >= self._trial_ends:
            # Who is still waiting for an answer must not keep everybody out.
            self._open(self._trial_ends)
        wait = _TRIAL_RETRY if self._trial is not None else self._opened_at + self._settings.timeout - now
        if wait > 0:
            self.refused += 1
            return Refused(wait)
        self._trial = Permit(is_trial=True)
        self._trial_ends = now + self._trial_seconds
        self._enter(CircuitState.HALF_OPEN)
        return self._trial

    def counts(self, permit: Permit) -> bool:
        """Whether the outcome of this request says anything still."""
        return permit is self._permit or permit is self._trial

    def succeeded(self, permit: Permit) -> bool:
        """Notes an answer; True where the state changed."""
        if permit is self._permit:
            self._failures = self._doubts = 0
        elif permit is self._trial:
            self._close()
            return True
        return False

    def failed(self, permit: Permit, now: float) -> bool:
        """Notes a failure; True where the state changed."""
        if permit is self._trial:
            self._open(now)
            return True
        if permit is not self._permit:
            return False
        doubts, self._doubts = self._doubts, 0
        if not self._settings.enabled:
            return False
        self._failures += 1 + doubts
        if self._failures < self._settings.failure_threshold:
            return False
        self._open(now)
        return True

    def doubted(self, permit: Permit, now: float) -> bool:
        """Notes a request that may have failed by its own fault; a trial has failed. True where the state changed."""
        if permit is self._trial:
            return self.failed(permit, now)
        if permit is self._permit:
            self._doubts += 1
        return False

    def abandoned(self, permit: Permit) -> None:
        """Notes a request that was not made or not awaited; another may be the trial."""
        if permit is self._trial:
            self._trial = None
            self._enter(CircuitState.OPEN)

    def _open(self, at: float) -> None:
        self._failures = self._doubts = 0
        self._permit = Permit()
        self._opened_at = at
        self._trial = None
        self._enter(CircuitState.OPEN)

    def _close(self) -> None:
        self._opened_at = None
        self._trial = None
        self._enter(CircuitState.CLOSED)

    def _enter(self, state: CircuitState) -> None:
        self.entered[state] += 1
