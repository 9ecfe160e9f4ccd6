"""From a load to pods and Redis, on paper: sums, and no more than that."""

import math
from dataclasses import dataclass
from typing import Final

from benchmarks.fleet.figures import POD, REDIS, Command, PodFigures, RedisFigures, Setting

BUSY: Final = 0.6
"""The share of its core that a pod should use at the peak: the rest is for bursts, and for the loss of another pod."""

REDIS_BUSY: Final = 0.5
"""The same of the one core that a Redis works with: its commands wait for each other."""

_IDLE_STREAMS_CPU: Final = 0.027 / 5000
"""What an open stream takes of a core that nothing is said on."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes at the peak.

    `lasts` is how many seconds a session is used, `lifetime` its `maxLifetime`, `listening` the share of sessions with
    an open stream, `backends` how many a session uses, `pods_each` on how many pods it is used: 1 where a client finds
    the same pod again. `between` is the share of calls that have a message pass from one pod to another. `at_most` is
    `maxSessionsPerPod`.
    """

    sessions: int
    calls: float
    setting: Setting = Setting.GUARDED
    is_limited: bool = False
    lasts: float = 1800.0
    lifetime: float = 86400.0
    listening: float = 0.2
    backends: int = 2
    pods_each: int = 1
    between: float = 0.001
    at_most: int = 20_000


@dataclass(frozen=True, slots=True)
class Fleet:
    """What that needs; bytes and seconds, `redis_cpu` in cores, rates a second.

    `pods_for` says which of calls and sessions decides how many pods there are; one of them may be lost.
    `redis_memory` has `redis_records`, those of live sessions; the rest are tombstones of sessions that have ended.
    `limits_cpu` is the part of `redis_cpu` that no Cluster divides: the buckets of one endpoint are in one slot.
    `redises` are the processes of Redis that share the work.
    """

    pods: int
    pods_for: str
    cores: float
    pod_memory: float
    memory: float
    redis_commands: float
    redis_cpu: float
    redis_in: float
    redis_out: float
    redis_records: float
    redis_memory: float
    limits_cpu: float
    redises: int
    limit: str


def fleet(load: Load, pod: PodFigures = POD, redis: RedisFigures = REDIS) -> Fleet:
    """Pods and Redis for a load."""
    opened = load.sessions / load.lasts
    cores = load.calls * pod.call[load.setting] + opened * pod.open + load.sessions * load.listening * _IDLE_STREAMS_CPU
    held = load.sessions * load.pods_each
    needs = {"calls": math.ceil(cores / BUSY), "sessions": math.ceil(held / load.at_most)}
    pods_for = max(needs, key=lambda name: needs[name])
    pods = max(needs[pods_for], 1)
    session = pod.session + (load.backends - 1) * pod.backend_session + load.listening * pod.stream
    pod_memory = pod.process + pod.bounds + min(held / pods, load.at_most) * session
    rates = (
        (redis.create, opened),
        (redis.remember, opened * load.backends),
        (redis.touch, held / 60),
        (redis.end, opened),
        (redis.publish, 2 * load.calls * load.between),
    )
    limits = ((redis.limit, load.calls),) if load.is_limited else ()
    # Each end is told to all pods on one channel.
    told = opened * (pods + 1) * _ENDED_BYTES
    shared, alone = _cpu(rates), _cpu(limits)
    fits = shared + alone <= REDIS_BUSY
    records, tombstones = load.sessions * redis.record_bytes, opened * load.lifetime * redis.tombstone_bytes
    return Fleet(
        pods=pods + 1,
        pods_for=pods_for,
        cores=cores,
        pod_memory=pod_memory,
        memory=(pods + 1) * pod_memory,
        redis_commands=sum(rate for _, rate in (*rates, *limits)),
        redis_cpu=shared + alone,
        redis_in=sum(rate * command.in_bytes for command, rate in (*rates, *limits)),
        redis_out=sum(rate * command.out_bytes for command, rate in (*rates, *limits)) + told,
        redis_records=records,
        redis_memory=records + tombstones,
        limits_cpu=alone,
        redises=1 if fits else max(1, math.ceil(shared / REDIS_BUSY)) + math.ceil(alone / REDIS_BUSY),
        limit=_limit(shared, alone),
    )


_ENDED_BYTES: Final = 140
"""A message on the channel of ended sessions, with its frame."""


def _cpu(rates: tuple[tuple[Command, float], ...]) -> float:
    return sum(rate * command.cpu_us for command, rate in rates) / 1e6


def _limit(shared: float, alone: float) -> str:
    if shared + alone <= REDIS_BUSY:
        return "one Redis does it"
    if alone > REDIS_BUSY:
        return "the buckets of one endpoint are too many for one Redis: make it several endpoints"
    return "a Cluster, or a Redis for each endpoint"
