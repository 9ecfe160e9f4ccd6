"""Templates are evaluated one after the other, and whoever else uses the event loop has turns in between (ADR-0052)."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, TypeVar

from vmcp_api.templates import Budget, TemplateError

MOST_COST: Final = 1_000_000
"""What all evaluations of one run may cost, in steps: some seconds of processor time."""

_COST_OF_TURN: Final = 1000
"""What may be evaluated in one turn of the event loop: a few milliseconds, or one template that costs more."""

_SECONDS_OF_COST: Final = 4e-6
"""About what one step takes."""

Found = TypeVar("Found")


class Purse:
    """What the evaluations of one run may still cost, and for whom it runs."""

    def __init__(self, holder: Hashable, run: str, most: int = MOST_COST) -> None:
        self.holder: Final = holder
        self.run: Final = run
        self._left = most

    def pay(self, cost: int) -> None:
        """Pays for an evaluation.

        Raises:
            TemplateError: that was more than there is.
        """
        self._left -= cost
        if self._left < 0:
            raise TemplateError("the templates of this run have taken too many steps in all; make them simpler")


class RoundRobin:
    """A lock that goes round by caller, then by the caller's runs, then by who came first.

    Whoever waits thus waits for one turn of each other caller, however many wait behind it. Whoever is cancelled while
    it waits keeps nobody else waiting, but its caller comes last then.
    """

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: Final[dict[Hashable, dict[str, deque[asyncio.Future[None]]]]] = {}

    async def acquire(self, holder: Hashable, run: str) -> None:
        """Takes the lock; waits until it is passed on where somebody has it."""
        if not self._is_taken:
            self._is_taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(holder, {}).setdefault(run, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Gives the lock to who is next; those that were cancelled while they waited are passed over."""
        self._is_taken = False
        while self._waiting:
            following = self._next()
            if not following.done():
                self._is_taken = True
                following.set_result(None)
                return

    def _next(self) -> asyncio.Future[None]:
        """Who has waited longest of the next run of the next caller; both come last then."""
        holder = next(iter(self._waiting))
        runs = self._waiting.pop(holder)
        run = next(iter(runs))
        queue = runs.pop(run)
        following = queue.popleft()
        if queue:
            runs[run] = queue
        if runs:
            self._waiting[holder] = runs
        return following


class Pace:
    """The one place of a process at which templates are evaluated.

    A thousand items of a `forEach`, or fifty of them side by side, would otherwise be evaluated in one turn of the
    loop: neither a time-out nor a cancellation could end that, and no other caller would be served meanwhile.
    """

    def __init__(self) -> None:
        self._turns: Final = RoundRobin()
        self._spent = 0

    async def evaluate(self, make: Callable[[Budget], Found], purse: Purse, room: Callable[[], int]) -> Found:
        """What `make` gives for a budget of its own, which the run pays for; JSON may take so much `room`, in bytes.

        There is as much room as there is when the turn has come.

        Raises:
            TemplateError: there is no value, or the run has spent all that it may.
        """
        await self._turns.acquire(purse.holder, purse.run)
        try:
            budget = Budget(memory=room())
            try:
                return make(budget)
            finally:
                spent = budget.spent
                self._spent += spent
                if self._spent > _COST_OF_TURN:
                    await self._leave_to_others(spent)
                purse.pay(spent)
        finally:
            self._turns.release()

    async def _leave_to_others(self, cost: int) -> None:
        """Gives the loop to others, with the lock held: whoever is next begins in a later turn.

        One template that has cost much leaves as much time as it took: to be served takes several turns, and each
        would come behind another such template.
        """
        await asyncio.sleep(cost * _SECONDS_OF_COST if cost > _COST_OF_TURN else 0)
        self._spent = 0
