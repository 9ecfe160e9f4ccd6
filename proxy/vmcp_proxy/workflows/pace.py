"""Templates are evaluated one after the other, and whoever else uses the event loop has turns in between (ADR-0052)."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from vmcp_api.templates import Budget, TemplateError
from vmcp_api.templates.budget import MOST_MEMORY

MOST_COST: Final = 1_000_000
"""What all evaluations of one run may cost, in steps: some seconds of processor time."""

_COST_OF_TURN: Final = 1000
"""What may be evaluated in one turn of the event loop: a few milliseconds, or one template that costs more."""

_SECONDS_OF_COST: Final = 4e-6
"""About what one step takes."""

Found = TypeVar("Found")


class Pace:
    """The one place of a process at which templates are evaluated.

    A thousand items of a `forEach`, or fifty of them side by side, would otherwise be evaluated in one turn of the
    loop: neither a time-out nor a cancellation could end that, and no other caller would be served meanwhile.
    """

    def __init__(self) -> None:
        self._lock: Final = asyncio.Lock()
        self._spent = 0

    async def evaluate(self, make: Callable[[Budget], Found], purse: "Purse", room: int = MOST_MEMORY) -> Found:
        """What `make` gives for a budget of its own, which the run pays for; JSON may take so much `room`, in bytes.

        Raises:
            TemplateError: there is no value, or the run has spent all that it may.
        """
        budget = Budget(memory=room)
        async with self._lock:
            try:
                return make(budget)
            finally:
                await self._leave_to_others(budget.spent)
                purse.pay(budget.spent)

    async def _leave_to_others(self, cost: int) -> None:
        """Gives the loop to others, with the lock held: whoever is next begins in a later turn.

        One template that has cost much leaves as much time as it took: to be served takes several turns, and each
        would come behind another such template.
        """
        self._spent += cost
        if cost > _COST_OF_TURN:
            await asyncio.sleep(cost * _SECONDS_OF_COST)
        elif self._spent > _COST_OF_TURN:
            await asyncio.sleep(0)
        else:
            return
        self._spent = 0


class Purse:
    """What the evaluations of one run may still cost."""

    def __init__(self, most: int = MOST_COST) -> None:
        self._left = most

    def pay(self, cost: int) -> None:
        """Pays for an evaluation.

        Raises:
            TemplateError: that was more than there is.
        """
        self._left -= cost
        if self._left < 0:
            raise TemplateError("the templates of this run have taken too many steps in all; make them simpler")
