"""The buckets of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from vmcp_api.pod_status import StoreReport
from vmcp_proxy.limits.bucket import State, Use, Waits, take

MOST_BUCKETS: Final = 16_384
"""Those that are kept; of more the one that was used longest ago begins anew, full."""

_OK: Final = StoreReport()


class MemoryLimiter:
    """A `Limiter` for one replica, which forgets with the process."""

    def __init__(self, *, most: int = MOST_BUCKETS, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._most: Final = most
        self._clock: Final = clock
        self._states: Final[OrderedDict[str, State]] = OrderedDict()

    @property
    def state(self) -> StoreReport:
        """See `Limiter.state`: never away."""
        return _OK

    def take_now(self, uses: Sequence[Use]) -> Waits | None:
        """See `Limiter.take_now`: here it never takes a wait."""
        states = self._states
        held = [states.get(use.key) for use in uses]
        waits, changed = take([use.terms for use in uses], held, self._clock() // 1_000_000)
        for use, state in zip(uses, changed, strict=True):
            if state is not None:
                states[use.key] = state
                states.move_to_end(use.key)
        while len(states) > self._most:
            states.popitem(last=False)
        return waits

    async def take(self, uses: Sequence[Use]) -> Waits | None:
        """See `Limiter.take`."""
        return self.take_now(uses)

    def __len__(self) -> int:
        return len(self._states)
