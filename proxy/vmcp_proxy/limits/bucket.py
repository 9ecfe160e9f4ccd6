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


def left_of(terms: Terms, state: State | None, now: int) -> int:
    """The level of a bucket that a token is taken of, in parts; below 0 where it lacks one, by so much.

    A state of the future is of another clock, that of a Redis which has failed over: its level counts from now on.
    """
    period = terms.period
    full = terms.tokens * period
    if state is None:
        return full - period
    level, at = state
    elapsed = now - at
    if elapsed >= period:
        # Before anything is multiplied: each product stays exact in Lua too.
        return full - period
    if elapsed > 0:
        level += elapsed * terms.tokens
    return level - period if level < full else full - period


def take(terms: Sequence[Terms], held: Sequence[State | None], now: int) -> tuple[Waits, tuple[State | None, ...]]:
    """Takes a token of each bucket, or of none where one lacks it; the new states, None where nothing changes."""
    left = [left_of(each, state, now) for each, state in zip(terms, held, strict=True)]
    waits = tuple([_ceil(-level, each.tokens) if level < 0 else 0 for each, level in zip(terms, left, strict=True)])
    if not any(waits):
        return waits, tuple([(level, now) for level in left])
    return waits, tuple(
        (level + each.period, now) if state is not None and state[1] > now else None
        for each, state, level in zip(terms, held, left, strict=True)
    )


def lasts(terms: Terms, state: State) -> int:
    """Milliseconds until the bucket is full, from when on it need not be kept; at least one."""
    return max(1, _ceil(terms.tokens * terms.period - state[0], terms.tokens))


def _ceil(parts: int, tokens: int) -> int:
    return -(-parts // tokens)
