"""Redis: what sessions in use write there, and that calls ask it nothing."""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.ours import in_redis
from benchmarks.figures import Metric, Result, Row
from benchmarks.redis_server import RedisServer
from benchmarks.rig import RefusedError, Rig

_METRICS = (
    Metric("sessions", "sessions"),
    Metric("calls", "calls"),
    Metric("scripts", "scripts in all"),
    Metric("writes", "writes per session and minute", 2),
    Metric("per_call", "commands per 1 000 calls", 2),
)
_SESSIONS = 200
_CALLS_PER_SECOND = 400.0
_SCRIPTS = ("eval", "evalsha")


def run(rig: Rig) -> Result:
    """Sessions that all stay in use for a while, at a rate that is far from full."""
    target = "at most 1 write per session and minute, no round trip per call"
    return Result("redis", "Redis", target, _METRICS, (_row(rig),))


def _row(rig: Rig) -> Row:
    title = "vmcp, sessions in Redis"
    if not RedisServer.is_installed():
        return Row("in use", title, note="redis-server is not installed")
    server = RedisServer(rig.folder)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        proxy = in_redis(server.address)
        backends = stack.enter_context(rig.backends())
        try:
            entrant = stack.enter_context(rig.entered(proxy, backends.urls))
            load = stack.enter_context(rig.load())
            load.do(jobs.Open(entrant.port, entrant.path, _SESSIONS, rig.scale.connections))
            load.do(jobs.EachOnce())
            before = server.calls()
            done = load.do(jobs.Calls(rig.scale.redis_seconds, rate=_CALLS_PER_SECOND))
        except RefusedError as error:
            return Row("in use", title, note=str(error).splitlines()[0])
        after = server.calls()
        load.do(jobs.Close())
    return Row("in use", title, _values(before, after, done))


def _values(before: dict[str, int], after: dict[str, int], done: jobs.Done) -> dict[str, tuple[float, ...]]:
    scripts = sum(after.get(name, 0) - before.get(name, 0) for name in _SCRIPTS)
    others = {*_SCRIPTS, "info", "quit", "ping"}
    # What a script does inside is counted as commands too; the round trip is the script.
    inside = {"hset", "hget", "hmget", "hgetall", "hexists", "exists", "pexpire", "time", "del", "hdel", "pttl"}
    direct = sum(after[name] - before.get(name, 0) for name in after.keys() - others - inside)
    return {
        "sessions": (float(_SESSIONS),),
        "calls": (float(done.count),),
        "scripts": (float(scripts),),
        "writes": (scripts / _SESSIONS / (done.seconds / 60),),
        "per_call": ((scripts + direct) / done.count * 1000,),
    }
