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

    async def take(self, uses: Sequence[Use]) -> Waits | None:
        """See `Limiter.take`."""
        states = self._states
        waits, changed = take([each.terms for each in uses], [states.get(each.key) for each in uses], self._now())
        for use, state in zip(uses, changed, strict=True):
            if state is not None:
                states[use.key] = state
                states.move_to_end(use.key)
        while len(states) > self._most:
            states.popitem(last=False)
        return waits

    def _now(self) -> int:
        return self._clock() // 1_000_000

    def __len__(self) -> int:
        return len(self._states)
