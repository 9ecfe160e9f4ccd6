"""Who leads: decided from what the Lease was seen to say and from one's own clock, without I/O (ADR-0055).

No two candidates compare clocks, and no time in the Lease is looked at. A holder counts from the moment at which it
*began* to ask for its last renewal, a candidate from the moment at which it *saw* that renewal, which is later.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from vmcp_operator.leader.lease import UNHELD, Lease

NEVER: Final = -math.inf
DRIFT: Final = 1.2
"""How much longer a pause between two tries may be, as in client-go: candidates do not ask in step for ever."""


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds: others leave a Lease alone for `lease` after a renewal, its holder writes for `deadline`."""

    lease: int = 15
    deadline: float = 10.0
    retry: float = 2.0

    def problem(self) -> str | None:
        """Why these times cannot be used; None if they can."""
        if self.retry <= 0:
            return "the retry period must be more than 0"
        if self.lease <= self.deadline:
            return "the lease duration must be longer than the renew deadline, or two could write at a time"
        if self.deadline <= self.retry * DRIFT:
            return f"the renew deadline must be longer than {DRIFT} retry periods, or one late answer loses the Lease"
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """The Lease as it was seen last, None where there was none, and when it may be taken from its holder."""

    lease: Lease | None
    free_at: float

    @property
    def is_known(self) -> bool:
        """Whether the API server has ever been asked."""
        return self.lease is not None or self.free_at > NEVER


@dataclass(frozen=True, slots=True)
class Candidate:
    """One operator that would lead; `writes_until` is the moment up to which it does.

    `has_to_look` is whether what was `seen` may be out of date.
    """

    identity: str
    timing: Timing = Timing()
    seen: Seen = Seen(None, NEVER)
    writes_until: float = NEVER
    has_to_look: bool = True

    def leads(self, now: float) -> bool:
        """Whether it may write at this moment."""
        return now < self.writes_until

    def waits(self, now: float) -> bool:
        """Whether the Lease is another one's: it holds it, or held the one that was deleted and may not know yet."""
        lease = self.seen.lease
        if lease is None:
            return now < self.seen.free_at
        return lease.holder not in (UNHELD, self.identity)


@dataclass(frozen=True, slots=True)
class Look:
    """Read the Lease."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make the Lease, which is not there; nobody leads by that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Write oneself into this version of the Lease: a renewal, or a take-over."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again in so many seconds: somebody else holds it."""

    seconds: float


Step: TypeAlias = Look | Create | Claim | Wait


def decide(candidate: Candidate, now: float) -> Step:
    """What to do next."""
    if candidate.has_to_look:
        return Look()
    lease = candidate.seen.lease
    is_own = lease is not None and lease.holder == candidate.identity
    if not is_own and now < candidate.seen.free_at:
        return Wait(min(candidate.timing.retry, candidate.seen.free_at - now))
    return Create() if lease is None else Claim(lease)


def after_look(candidate: Candidate, lease: Lease | None, now: float) -> Candidate:
    """The Lease was read; `now` is when the answer was there."""
    is_lost = lease is not None and lease.holder != candidate.identity
    return replace(
        candidate,
        seen=Seen(lease, _free_at(candidate, lease, now)),
        writes_until=NEVER if is_lost else candidate.writes_until,
        has_to_look=False,
    )


def after_claim(candidate: Candidate, lease: Lease, began: float) -> Candidate:
    """A `Claim` was written, as this answer says; `began` is when it was sent."""
    writes_until = began + candidate.timing.deadline
    return replace(candidate, seen=Seen(lease, NEVER), writes_until=writes_until, has_to_look=False)


def after_other(candidate: Candidate) -> Candidate:
    """Anything else happened: a wait, a `Create`, a refusal, no answer.

    A claim without an answer may have been written, and is not counted.
    """
    return replace(candidate, has_to_look=True)


def after_end(candidate: Candidate) -> Candidate:
    """It writes no more, whatever the Lease says."""
    return replace(candidate, writes_until=NEVER, has_to_look=True)


def _free_at(candidate: Candidate, lease: Lease | None, now: float) -> float:
    before = candidate.seen
    if lease is None:
        # Somebody deleted it, and its holder writes on until it has noticed.
        return max(now, before.free_at)
    if lease.holder in (UNHELD, candidate.identity):
        return now
    if before.lease is not None and before.lease.version == lease.version:
        return before.free_at
    return now + (candidate.timing.lease if lease.seconds is None else lease.seconds)
