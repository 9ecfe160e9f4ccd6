"""The load generator: a process that does the jobs it reads from stdin, one after another (benchmarks.jobs)."""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable, Coroutine

import msgspec
import uvloop

from benchmarks import jobs
from benchmarks.jobs import Done, quantiles
from benchmarks.mcp_client import (
    CALL_SECONDS,
    Session,
    WrongAnswerError,
    ask,
    end_session,
    heads,
    list_tools,
    open_session,
    request,
    with_authorization,
    with_envelope,
    without_session,
)
from benchmarks.wire import Answer, Connection, connect

_FIRST_ID = 10_000_000
"""Ids are as long in the first call as in the last."""

_HEAD_BYTES = 160
_FAREWELL_SECONDS = 20.0


class Pace:
    """When each call of one connection is due; latency counts from there once the calls are behind.

    A timer that wakes late is the generator's own fault and costs the contender nothing, a call that has to
    wait for the one before it does.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due = time.perf_counter() + random.random() * interval

    async def next(self) -> float:
        """Waits for the next call; from when it counts."""
        now = time.perf_counter()
        due = self._due
        self._due += self._interval
        if due <= now:
            return due
        await asyncio.sleep(due - now)
        return time.perf_counter()


class Load:
    """The connections and sessions that jobs work on."""

    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._streams: list[Connection] = []
        self._sessions: list[Session] = []
        self._names: list[str] = []
        self._port = 0
        self._modern: jobs.Open | None = None
        self._ids = iter(range(_FIRST_ID, 10 * _FIRST_ID))

    async def do(self, job: jobs.Job) -> Done:
        """Does one job; a contender that answers wrongly or not at all is told in `Done.error`."""
        try:
            return await self._do(job)
        except* (WrongAnswerError, OSError, TimeoutError) as group:
            failure = _first_of(group)
        return Done(error=str(failure) or f"{type(failure).__name__} after up to {CALL_SECONDS:g} s")

    async def _do(self, job: jobs.Job) -> Done:
        for number, connection in enumerate(self._connections):
            # Servers close what was idle while others took their turns.
            if not connection.is_open:
                self._connections[number] = await connect(self._port)
        match job:
            case jobs.Open():
                return await self._open(job)
            case jobs.Calls() | jobs.Lists():
                return await self._calls(job)
            case jobs.EachOnce():
                return await self._each_once()
            case jobs.Cycles():
                return await self._cycles(job)
            case jobs.Streams():
                return await self._open_streams(job)
        return await self._close()

    async def _open(self, job: jobs.Open) -> Done:
        await self._connect(job.port, job.connections)
        if job.is_modern:
            return await self._open_modern(job)
        latencies: list[float] = []
        left = iter(range(job.sessions))
        headers = with_authorization(job.authorization)

        async def work(connection: Connection) -> None:
            for _ in left:
                began = time.perf_counter()
                self._sessions.append(await open_session(connection, job.port, job.path, headers))
                latencies.append(time.perf_counter() - began)

        began = time.perf_counter()
        await self._on_all(work)
        seconds = time.perf_counter() - began
        if job.lists:
            self._names = await list_tools(self._connections[0], self._sessions[0])
        p50, p99 = quantiles(latencies)
        return Done(len(latencies), seconds, p50, p99, tools=len(self._names))

    async def _open_modern(self, job: jobs.Open) -> Done:
        """Nothing is opened: every request says all of itself."""
        self._modern = job
        self._names = await list_tools(self._connections[0], self._modern_head(job, "tools/list"), is_modern=True)
        return Done(tools=len(self._names))

    def _modern_head(self, job: jobs.Open, method: str, name: str = "") -> Session:
        return heads(job.port, job.path, without_session(with_authorization(job.authorization), method, name))

    async def _calls(self, job: jobs.Calls | jobs.Lists) -> Done:
        if isinstance(job, jobs.Lists):
            return await self._repeat(job.seconds, 0.0, [request("tools/list", {}, 0)], _SameSize().check)
        names = self._called(job.tool, spreads=job.spreads)
        bodies = [self._call(name, job.size, job.through) for name in names]
        if self._modern is not None:
            # One name: it stands in the head of every request.
            self._sessions = [self._modern_head(self._modern, "tools/call", job.through or names[0])]
        return await self._repeat(job.seconds, job.rate, bodies, _Expected(job.size).check)

    async def _repeat(
        self, seconds: float, rate: float, bodies: list[bytes], check: Callable[[Answer, bytes], None]
    ) -> Done:
        """Sends bodies, whose ids end them, in turn until the time is over."""
        latencies: list[float] = []
        until = time.perf_counter() + seconds
        interval = len(self._connections) / rate if rate else 0.0
        size = 0

        async def work(connection: Connection, number: int) -> None:
            nonlocal size
            pace = Pace(interval) if interval else None
            sessions = self._sessions[number :: len(self._connections)] or self._sessions[:1]
            turn = number
            while time.perf_counter() < until:
                session, body = sessions[turn % len(sessions)], bodies[turn % len(bodies)]
                turn += 1
                request_id = b"%d" % next(self._ids)
                began = await pace.next() if pace else time.perf_counter()
                answer = await connection.send(session.post, body.replace(b'"id":0', b'"id":' + request_id, 1))
                latencies.append(time.perf_counter() - began)
                check(answer, request_id)
                size = len(answer.body)

        began = time.perf_counter()
        async with asyncio.timeout(seconds + CALL_SECONDS), asyncio.TaskGroup() as group:
            for number, connection in enumerate(self._connections):
                group.create_task(work(connection, number))
        p50, p99 = quantiles(latencies)
        return Done(len(latencies), time.perf_counter() - began, p50, p99, len(self._names), size)

    async def _each_once(self) -> Done:
        body = self._call(self._called("echo", spreads=False)[0], 0)
        left = iter(self._sessions)
        latencies: list[float] = []

        async def work(connection: Connection) -> None:
            for session in left:
                began = time.perf_counter()
                answer = await ask(connection, session.post, body)
                _Expected(0).check(answer, b"0")
                latencies.append(time.perf_counter() - began)

        began = time.perf_counter()
        await self._on_all(work)
        return Done(len(latencies), time.perf_counter() - began, *quantiles(latencies))

    async def _cycles(self, job: jobs.Cycles) -> Done:
        await self._connect(job.port, job.connections)
        left = iter(range(job.count))
        latencies: list[float] = []

        async def work(connection: Connection) -> None:
            for _ in left:
                began = time.perf_counter()
                session = await open_session(connection, job.port, job.path)
                latencies.append(time.perf_counter() - began)
                await end_session(connection, session)

        began = time.perf_counter()
        await self._on_all(work)
        return Done(len(latencies), time.perf_counter() - began, *quantiles(latencies))

    async def _open_streams(self, job: jobs.Streams) -> Done:
        began = time.perf_counter()
        for session in self._sessions:
            connection = await connect(job.port)
            async with asyncio.timeout(CALL_SECONDS):
                answer = await connection.stream(session.get)
            if answer.status != 200:
                raise WrongAnswerError(f"GET: HTTP status {answer.status}")
            self._streams.append(connection)
        return Done(len(self._streams), time.perf_counter() - began)

    async def _close(self) -> Done:
        for stream in self._streams:
            stream.close()
        left = iter(self._sessions)

        async def work(connection: Connection) -> None:
            for session in left:
                with contextlib.suppress(ConnectionError, WrongAnswerError):
                    await end_session(connection, session)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._on_all(work)
        done = Done(len(self._sessions))
        for connection in self._connections:
            connection.close()
        self._streams, self._sessions, self._connections = [], [], []
        return done

    async def _connect(self, port: int, count: int) -> None:
        self._port = port
        for connection in self._connections:
            connection.close()
        self._connections = [await connect(port) for _ in range(count)]

    async def _on_all(self, work: Callable[[Connection], Coroutine[None, None, None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(work(connection))

    def _called(self, ending: str, *, spreads: bool) -> list[str]:
        names = [name for name in self._names if name.endswith(ending)]
        if not names:
            raise WrongAnswerError(f"no tool of {len(self._names)} ends with {ending}")
        return names if spreads else names[:1]

    def _call(self, name: str, size: int, through: str = "") -> bytes:
        arguments = {"size": size} if size else {"text": jobs.TEXT}
        params: dict[str, object] = {"name": name, "arguments": arguments}
        if through:
            params = {"name": through, "arguments": params}
        return request("tools/call", params if self._modern is None else with_envelope(params), 0)


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Expected:
    """Answers to calls: the right id, no error, the text or enough bytes."""

    def __init__(self, size: int) -> None:
        self._size = size

    def check(self, answer: Answer, request_id: bytes) -> None:
        _check_id(answer, request_id)
        body = answer.body
        if b'"error"' in body[:_HEAD_BYTES] or (
            len(body) < self._size if self._size else jobs.TEXT.encode() not in body
        ):
            raise WrongAnswerError(f"{len(body)} bytes: {body[:300]!r}")


class _SameSize:
    """Answers to lists: all as long as the first."""

    def __init__(self) -> None:
        self._size = 0

    def check(self, answer: Answer, request_id: bytes) -> None:
        _check_id(answer, request_id)
        self._size = self._size or len(answer.body)
        if len(answer.body) != self._size:
            raise WrongAnswerError(f"a list of {len(answer.body)} bytes after one of {self._size}")


def _check_id(answer: Answer, request_id: bytes) -> None:
    """The id stands at the beginning or at the end of any answer."""
    if answer.status != 200 or not (
        request_id in answer.body[:_HEAD_BYTES] or request_id in answer.body[-_HEAD_BYTES:]
    ):
        raise WrongAnswerError(f"HTTP status {answer.status}: {answer.body[:300]!r}")


async def serve() -> None:
    """Does jobs until stdin ends; between two of them the process is idle but connections stay open."""
    load = Load()
    decoder = msgspec.json.Decoder(jobs.Job)
    while line := await asyncio.to_thread(sys.stdin.readline):
        done = await load.do(decoder.decode(line))
        print(msgspec.json.encode(done).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
