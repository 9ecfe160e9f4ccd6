"""The buckets of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from vmcp_api.pod_status import StoreReport
from vmcp_proxy.limits.bucket import State, Use, Waits, left_of, take

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
        now = self._clock() // 1_000_000
        changed: list[tuple[str, State]] = []
        for use in uses:
            key = use.key
            level = left_of(use.terms, states.get(key), now)
            if level < 0:
                return self._refuse(uses, now)
            changed.append((key, (level, now)))
        self._keep(changed)
        return (0,) * len(uses)

    def _refuse(self, uses: Sequence[Use], now: int) -> Waits:
        waits, states = take([use.terms for use in uses], [self._states.get(use.key) for use in uses], now)
        self._keep([(use.key, state) for use, state in zip(uses, states, strict=True) if state is not None])
        return waits

    def _keep(self, changed: Sequence[tuple[str, State]]) -> None:
        states = self._states
        for key, state in changed:
            states[key] = state
            states.move_to_end(key)
        while len(states) > self._most:
            states.popitem(last=False)

    async def take(self, uses: Sequence[Use]) -> Waits | None:
        """See `Limiter.take`."""
        return self.take_now(uses)

    def __len__(self) -> int:
        return len(self._states)
