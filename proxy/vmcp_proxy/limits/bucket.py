"""The arithmetic of token buckets, exact in whole numbers: the script in Redis does the very same.

The level of a bucket is counted in parts of a token, of which one has as many as the refill takes milliseconds. So
each millisecond adds as many parts as a full bucket has tokens, and nothing is ever rounded. The largest level is below
2**53, up to which the numbers of Lua are exact.
"""

from collections.abc import Sequence
from typing import Self, TypeAlias

import msgspec

from vmcp_api.spec.rate_limiting import Bucket

State: TypeAlias = tuple[int, int]
"""The level at a moment, and that moment, in milliseconds of whichever clock; a bucket without one is full."""


class Terms(msgspec.Struct, frozen=True, gc=False):
    """How large a bucket is, in tokens, and how long an empty one takes to be full, in milliseconds."""

    tokens: int
    period: int

    @classmethod
    def of(cls, bucket: Bucket) -> Self:
        """Those that the configuration asks for."""
        return cls(bucket.max_tokens, max(1, round(bucket.refill_period * 1000)))

    def __str__(self) -> str:
        return f"{self.tokens}/{self.period}"


class Use(msgspec.Struct, frozen=True, gc=False):
    """One of the buckets that a request needs a token of; `key` is its name, the terms included."""

    key: str
    terms: Terms


Waits: TypeAlias = tuple[int, ...]
"""For each bucket the milliseconds until it has a token; all are 0 where the tokens were taken, and only there."""


def take(terms: Sequence[Terms], held: Sequence[State | None], now: int) -> tuple[Waits, tuple[State | None, ...]]:
    """Takes a token of each bucket, or of none where one lacks it; the new states, None where nothing changes.

    A state of the future is of another clock, that of a Redis which has failed over: its level counts from now on.
    """
    waits: list[int] = []
    left: list[State] = []
    lacks = is_ahead = False
    # One pass in one frame: every call of a limited endpoint comes through here.
    for each, state in zip(terms, held, strict=True):
        tokens, period = each.tokens, each.period
        level = full = tokens * period
        if state is not None:
            level, at = state
            if at > now:
                is_ahead = True
            else:
                elapsed = now - at
                # Bounded before it is multiplied: the product stays exact in Lua too.
                level += (min(period, elapsed)) * tokens
            level = min(level, full)
        level -= period
        left.append((level, now))
        if level < 0:
            lacks = True
            waits.append(_ceil(-level, tokens))
        else:
            waits.append(0)
    if not lacks:
        return tuple(waits), tuple(left)
    if not is_ahead:
        return tuple(waits), (None,) * len(left)
    return tuple(waits), tuple(
        (level + each.period, now) if state is not None and state[1] > now else None
        for each, state, (level, _) in zip(terms, held, left, strict=True)
    )


def lasts(terms: Terms, state: State) -> int:
    """Milliseconds until the bucket is full, from when on it need not be kept; at least one."""
    return max(1, _ceil(terms.tokens * terms.period - state[0], terms.tokens))


def _ceil(parts: int, tokens: int) -> int:
    return -(-parts // tokens)
