"""Holds the Lease, and lets the work run for as long as it does (ADR-0055)."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias

from vmcp_operator.errors import ClusterError, Conflict, Unavailable
from vmcp_operator.leader.candidate import (
    DRIFT,
    Candidate,
    Claim,
    Create,
    Look,
    Step,
    Wait,
    after_claim,
    after_end,
    after_look,
    after_other,
    decide,
)
from vmcp_operator.leader.lease import RELEASED_SECONDS, UNHELD, Lease, claimed, read_lease
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import Manifest, Ref
from vmcp_operator.telemetry import Telemetry

AGAIN_SECONDS: Final = 0.1
"""Between two tries to give the Lease back."""

NO_ANSWER: Final = "no answer from the API server in time"

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

logger = logging.getLogger(__name__)


class Leases(Protocol):
    """What an elector asks of the API server; see `Cluster` and `KubeCluster.replace`."""

    async def get(self, ref: Ref) -> Manifest | None: ...

    async def create(self, manifest: Manifest) -> bool: ...

    async def replace(self, manifest: Manifest) -> Manifest: ...


class Elector:
    """One candidate for the Lease at `place`; `clock` is the loop's."""

    def __init__(self, leases: Leases, place: Ref, candidate: Candidate, telemetry: Telemetry) -> None:
        self._leases: Final = leases
        self._place: Final = place
        self._candidate = candidate
        self._status: Final = telemetry.leads.labels(place.name)
        self._status.set(0)
        self._clock: Final = asyncio.get_running_loop().time
        self._answered = self._clock()
        self._problem = "it has not been read yet"
        self._is_cut_off = False

    def leads(self) -> bool:
        """Whether this process may write at this moment."""
        return self._candidate.leads(self._clock())

    def problems(self) -> tuple[str, ...]:
        """Why this process could not take over; a hiccup that is shorter than a Lease is none.

        One that is about to lead has to work before it is ready: only who waits for another one is ready without.
        """
        if self.leads():
            return ()
        lasts = self._clock() - self._answered > self._candidate.timing.lease or not self._candidate.seen.is_known
        if self._problem and lasts:
            return (f"{self._place}: {self._problem}",)
        return () if self._candidate.waits(self._clock()) else (f"{self._place}: it is about to be taken",)

    async def run(self, lead: Work, settled: Work) -> None:
        """Runs `lead` whenever it leads, until cancelled; a crash of `lead` is raised.

        At the end the Lease is given back as soon as nothing is written any more, as `settled` tells: `lead`, which
        only reads from then on, may take longer to end.
        """
        async with asyncio.TaskGroup() as terms:
            try:
                while True:
                    await self._until_held()
                    await self._hold(terms.create_task(lead()), settled)
            finally:
                await self._release()

    async def _until_held(self) -> None:
        while True:
            pause = await self._step()
            if self.leads():
                return
            await asyncio.sleep(pause)

    async def _hold(self, work: asyncio.Task[None], settled: Work) -> None:
        """One term: returns when it is lost and its work has ended."""
        log_event(logger, logging.INFO, "leads", lease=self._place, identity=self._candidate.identity)
        self._status.set(1)
        try:
            await self._renew()
            lease = self._candidate.seen.lease
            problem = self._problem or f"{'nobody' if lease is None else lease.holder or 'nobody'} holds it"
            log_event(logger, logging.ERROR, "leads no more", lease=self._place, problem=problem)
        finally:
            await self._stop_writing(settled)
            work.cancel()
        await asyncio.wait({work})

    async def _renew(self) -> None:
        """Renews again and again, until it leads no more."""
        pause = self._pause()
        while (left := self._candidate.writes_until - self._clock()) > 0:
            await asyncio.sleep(min(pause, left))
            if self.leads():
                pause = await self._step()

    async def _stop_writing(self, settled: Work) -> None:
        """Begins no write from now on, and waits for the answers of those that were begun for as long as it may."""
        left = self._candidate.writes_until - self._clock()
        self._candidate = after_end(self._candidate)
        self._status.set(0)
        self._is_cut_off = True
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._candidate.timing.deadline / 2, left)):
                await settled()
            self._is_cut_off = False

    async def _step(self) -> float:
        """One decision with what comes of it; the answer is the seconds until the next one."""
        step = decide(self._candidate, self._clock())
        try:
            async with asyncio.timeout(self._patience()):
                return await self._do(step)
        except Conflict as error:
            # Somebody was faster: who, the next look tells.
            self._fail(error)
            return 0.0
        except TimeoutError:
            self._fail(Unavailable(str(self._place), 0, NO_ANSWER))
        except ClusterError as error:
            self._fail(error)
        return self._pause()

    async def _do(self, step: Step) -> float:
        match step:
            case Look():
                found = await self._leases.get(self._place)
                lease = None if found is None else read_lease(found)
                self._answer(after_look(self._candidate, lease, self._clock()))
                return 0.0
            case Create():
                await self._leases.create(self._claimed(None))
                self._answer(after_other(self._candidate))
                return 0.0
            case Claim(before):
                began = self._clock()
                written = await self._leases.replace(self._claimed(before))
                self._answer(after_claim(self._candidate, read_lease(written), began))
                return self._pause()
            case Wait(seconds):
                self._candidate = after_other(self._candidate)
                return seconds

    def _answer(self, candidate: Candidate) -> None:
        self._candidate, self._answered, self._problem = candidate, self._clock(), ""

    def _fail(self, error: ClusterError) -> None:
        """The Lease has to be read again; the log has each reason once in a row."""
        self._candidate = after_other(self._candidate)
        if str(error) != self._problem:
            self._problem = str(error)
            log_event(logger, logging.WARNING, "lease not answered", error=self._problem, leads=self.leads())

    def _pause(self) -> float:
        return self._candidate.timing.retry * random.uniform(1.0, DRIFT)  # noqa: S311 - spreads load, guards nothing

    def _patience(self) -> float:
        """How long to wait for an answer: two may go missing before the Lease is lost."""
        patience = self._candidate.timing.deadline / 2
        left = self._candidate.writes_until - self._clock()
        return min(patience, left) if left > 0 else patience

    def _claimed(self, before: Lease | None) -> Manifest:
        timing = self._candidate.timing
        return claimed(self._place, before, self._candidate.identity, timing.lease, datetime.now(UTC))

    async def _release(self) -> None:
        """Lets the next one lead at once; where that fails, it waits until the Lease runs out."""
        if not self._candidate.seen.is_known:
            return
        problem = NO_ANSWER
        with suppress(TimeoutError):
            async with asyncio.timeout(self._candidate.timing.deadline / 2):
                while problem := await self._give_back():  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(AGAIN_SECONDS)
        if problem:
            log_event(logger, logging.WARNING, "lease not given back", lease=self._place, error=problem)

    async def _give_back(self) -> str:
        """Empties the Lease where this process holds it; the answer is what was in the way."""
        try:
            found = await self._leases.get(self._place)
            if found is None or (lease := read_lease(found)).holder != self._candidate.identity:
                return ""
            if self._is_cut_off:
                log_event(logger, logging.WARNING, "lease runs out, as a write was not answered", lease=self._place)
                return ""
            await self._leases.replace(claimed(self._place, lease, UNHELD, RELEASED_SECONDS, datetime.now(UTC)))
        except ClusterError as error:
            # A conflict is a renewal that was cut off by the end, and done between the two all the same.
            return str(error)
        log_event(logger, logging.INFO, "lease given back", lease=self._place)
        return ""
