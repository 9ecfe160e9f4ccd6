"""Half load on one proxy while the sink of its audit misbehaves, and the account of every line afterwards."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final

from benchmarks.child import START_SECONDS, Child
from benchmarks.contenders.ours import backend_config, command_for, write_keys
from benchmarks.contenders.site import answers
from benchmarks.mcp_client import Session, open_session, request
from benchmarks.ports import free_port
from benchmarks.redis_server import RedisServer
from benchmarks.sinks.receivers import Mood, Receiver, receiving
from benchmarks.soak.backend import Backend
from benchmarks.soak.census import gauge, read_metrics
from benchmarks.wire import Connection, connect
from vmcp_api.config import CONTRACT

MOST_MILLISECONDS: Final = 1000.0
_CALLERS: Final = 8
_FULL_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 30.0
_OK: Final = 200
_BACKEND: Final = "one"
_CALL: Final = "mcp_tool_call"
_WAITING: Final = "vmcp_audit_waiting"
_DROPPED: Final = "vmcp_audit_dropped_total"


class Store(Enum):
    """How Redis does, which every call asks for its rate limit."""

    WELL = "well"
    AWAY = "away"
    HANGING = "hanging"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to one sink: each turn for an equal share of the time."""

    sink: str
    seconds: float
    most_milliseconds: float = MOST_MILLISECONDS
    full_seconds: float = _FULL_SECONDS

    def turns(self) -> tuple[tuple[Mood, Store], ...]:
        """How the sink and Redis do, turn by turn."""
        return (
            (Mood.WELL, Store.WELL),
            (Mood.AWAY, Store.WELL),
            (Mood.SLOW, Store.AWAY),
            (Mood.WELL, Store.HANGING),
            (Mood.LYING, Store.WELL),
            (Mood.AWAY, Store.AWAY),
        )


@dataclass(slots=True)
class Report:
    """What came of it."""

    sink: str
    calls: int = 0
    unanswered: int = 0
    milliseconds: list[float] = field(default_factory=list)
    received: int = 0
    twice: int = 0
    thrown_away: int = 0
    lost: int = 0
    told: int = 0
    waited: int = 0
    violations: list[str] = field(default_factory=list)

    def text(self) -> str:
        """One paragraph for people."""
        ordered = sorted(self.milliseconds) or [0.0]
        share = ordered[int(len(ordered) * 0.99)]
        lines = [
            f"{self.sink}: {self.calls} calls, ms: p50 {ordered[len(ordered) // 2]:.1f}, p99 {share:.1f},",
            f"  longest {ordered[-1]:.1f}; lines: {self.received} received, {self.twice} of them twice,",
            f"  {self.thrown_away} thrown away by the receiver, {self.lost} lost and counted, {self.told} of these",
            f"  told in the log; {self.waited} waited at most",
            *(f"  VIOLATION: {violation}" for violation in self.violations),
        ]
        return "\n".join(lines)


@dataclass(slots=True)
class _Stage:
    proxy: Child
    redis: RedisServer
    port: int
    admin_port: int

    async def metric(self, name: str) -> int:
        """A number that the proxy tells."""
        return gauge(await asyncio.to_thread(read_metrics, self.admin_port), name)

    async def set_store(self, store: Store) -> None:
        """Has Redis do well, be away or hang."""
        self.redis.resume()
        if store is Store.AWAY:
            await asyncio.to_thread(self.redis.stop)
        elif not self.redis.is_running:
            await asyncio.to_thread(self.redis.start)
        if store is Store.HANGING:
            self.redis.suspend()


async def torment(folder: Path, plan: Plan) -> Report:
    """One sink through all its moods."""
    report = Report(plan.sink)
    async with receiving(plan.sink, folder) as receiver, _staged(folder, receiver.settings()) as stage:
        receiver.writer = stage.proxy.pid
        callers = [await _caller(stage.port) for _ in range(_CALLERS)]
        until = time.monotonic() + plan.full_seconds
        await asyncio.gather(*(_call_until(until, each, 0.0, report) for each in callers))
        pause = _CALLERS * 2 * plan.full_seconds / max(report.calls, 1)
        until = time.monotonic() + plan.seconds
        async with asyncio.TaskGroup() as group:
            for each in callers:
                group.create_task(_call_until(until, each, pause, report))
            for mood, store in plan.turns():
                await receiver.be(mood)
                await stage.set_store(store)
                await asyncio.sleep(plan.seconds / len(plan.turns()))
                report.waited = max(report.waited, await stage.metric(_WAITING))
        await stage.set_store(Store.WELL)
        await receiver.be(Mood.WELL)
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await stage.metric(_WAITING):  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.1)
        report.lost = await stage.metric(_DROPPED)
    account(receiver, report)
    longest = max(report.milliseconds, default=0.0)
    if longest > plan.most_milliseconds:
        report.violations.append(f"a call took {longest:.0f} ms; {plan.most_milliseconds:.0f} are allowed")
    if report.unanswered:
        report.violations.append(f"{report.unanswered} calls were not answered as they should be")
    return report


def account(receiver: Receiver, report: Report) -> None:
    """Finds what is wrong: every call has a line that the receiver has, has thrown away, or is counted as lost."""
    events = [json.loads(line) for line in receiver.lines]
    calls = [event for event in events if event["type"] == _CALL]
    ids = [event["id"] for event in calls]
    once = list(dict.fromkeys(ids))
    report.received, report.twice = len(once), len(ids) - len(once)
    thrown = {event["id"] for line in receiver.thrown_away if (event := json.loads(line))["type"] == _CALL}
    # A sink without acknowledgements may send a line again that was thrown away the first time.
    report.thrown_away = len(thrown.difference(once))
    report.told = sum(event["lost"] for event in events if event["type"] == "audit_lost")
    missing = report.calls - report.received - report.thrown_away - report.lost
    if missing:
        report.violations.append(f"{missing} lines neither arrived nor were counted")
    if report.told != report.lost and not report.thrown_away:
        report.violations.append(f"{report.lost} lines are counted as lost, and the log itself says {report.told}")
    # As moments: a time of whole seconds is written without a fraction, and its text comes behind those that have one.
    moments = {event["id"]: datetime.fromisoformat(event["time"]) for event in calls}
    if [moments[each] for each in once] != sorted(moments[each] for each in once):
        report.violations.append("lines are out of their order")


@contextlib.asynccontextmanager
async def _staged(folder: Path, sink: dict[str, Any]) -> AsyncIterator[_Stage]:
    redis = RedisServer(folder)
    await asyncio.to_thread(redis.start)
    backend = Backend(_BACKEND, is_sse=False, chance=random.Random(1))
    await backend.start()
    port, admin_port = free_port(), free_port()
    config = folder / "config.json"
    config.write_text(json.dumps(_config(backend.port, redis.address, sink), indent=1))
    proxy = Child(command_for(config, write_keys(folder), port, admin_port), folder / "proxy.log", is_quiet=True)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await asyncio.to_thread(answers, admin_port, "/readyz"):
                if not proxy.is_running:
                    raise EOFError(f"the proxy ended: {proxy.last_words()}")
                await asyncio.sleep(0.05)
        yield _Stage(proxy, redis, port, admin_port)
    finally:
        await asyncio.to_thread(proxy.end)
        backend.stop()
        redis.resume()
        await asyncio.to_thread(redis.stop)


def _config(backend: int, redis: str, sink: dict[str, Any]) -> dict[str, object]:
    """Audit of calls alone, so that calls and lines can be counted against each other; a limit that nobody reaches."""
    limit = {"shared": {"maxTokens": 1_000_000, "refillPeriod": "1s"}}
    return {
        "contract": CONTRACT,
        "name": "sinks",
        "incomingAuth": {"type": "anonymous"},
        "sessionStorage": {"provider": "redis", "address": redis},
        "config": {"audit": {"enabled": True, "eventTypes": [_CALL], **sink}, "rateLimiting": limit},
        "backends": [backend_config(_BACKEND, f"http://127.0.0.1:{backend}/mcp")],
    }


async def _caller(port: int) -> tuple[Connection, Session]:
    connection = await connect(port)
    return connection, await open_session(connection, port, "/mcp")


async def _call_until(until: float, caller: tuple[Connection, Session], pause: float, report: Report) -> None:
    connection, session = caller
    body = request("tools/call", {"name": f"{_BACKEND}_say", "arguments": {"text": "x"}}, 2)
    while time.monotonic() < until:
        began = time.monotonic()
        report.calls += 1
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await connection.send(session.post, body)
        except (TimeoutError, ConnectionError):
            report.unanswered += 1
            return
        report.milliseconds.append((time.monotonic() - began) * 1000)
        report.unanswered += answer.status != _OK or b'"content"' not in answer.body
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
