"""One proxy under half load while backends and Redis break on a seeded schedule: `python -m benchmarks.soak --help`.

Beside the callers are two hostile clients and a hostile backend (`--no-hostile` leaves the clients out).
Ends with exit code 1 at the first violation: a crossed, lost or wrong answer (benchmarks/soak/judge.py says what
these are), a traceback, an error, a canary or a flood of lines in the proxy's log, more memory at any time
than a pod may have, or something that has grown once all is at rest.
"""

import argparse
import asyncio
import contextlib
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop

from benchmarks.figures import MIB
from benchmarks.procfs import peak_of
from benchmarks.redis_server import RedisServer
from benchmarks.soak import crowd
from benchmarks.soak.callers import Scene
from benchmarks.soak.census import Census, growth, rest, take
from benchmarks.soak.hostile import hostile
from benchmarks.soak.judge import Verdict
from benchmarks.soak.ledger import Ledger
from benchmarks.soak.logscan import LogScan
from benchmarks.soak.plan import Outage, plan
from benchmarks.soak.report import Report
from benchmarks.soak.setting import CATALOG_SECONDS, STDIO, TTL_SECONDS, Stage, breakable, staged
from benchmarks.soak.starvation import watched

POD_MIB = 512
"""The memory limit of a pod by default (`resources` of the rendered Deployment)."""

_HOSTILE = 2
_LOG_BYTES_A_SECOND = 4096
_FULL_SECONDS = 3.0
_WARM_SECONDS = 60.0
_SCAN_SECONDS = 2.0
_MOST_STARVED = 1000
"""Of so many right answers no more than one may be excused because there was no processor."""


async def soak(folder: Path, minutes: float, seed: int, *, is_attacked: bool) -> Report:
    """The whole run: full load for a moment, a warm-up at half load, the census, the soak, the census again."""
    chance = random.Random(seed)
    seconds = minutes * 60
    ledger = Ledger()
    attacks: Counter[str] = Counter()
    async with staged(folder, chance) as stage, watched(stage.proxy.pid) as starvation:
        scene = Scene(stage.port, stage.names, frozenset({STDIO}), ledger, chance, secrets.token_hex(4), starvation)
        chosen = crowd.behaviours()
        scene.began = asyncio.get_running_loop().time()
        full = await _full_load(scene)
        scene.pause = len(chosen) / (full / 2)
        # With attacks, too: what memory they make the allocator keep is no growth of what comes after.
        await _attacked(scene, min(_WARM_SECONDS, seconds / 4), attacks if is_attacked else None)
        before = await _census(stage)
        scene.outages = plan(seed, seconds, breakable())
        scene.began = asyncio.get_running_loop().time()
        before_waits = starvation.total
        await _break_and_call(stage, scene, seconds, attacks if is_attacked else None)
        starved = starvation.total - before_waits
        spent = scene.now()
        after = await _census(stage)
        _look(stage, scene)
        _look_at_sizes(stage, scene, seconds)
        if not ledger.violations and ledger.starved * _MOST_STARVED > ledger.total(Verdict.RIGHT):
            ledger.violate(f"the machine was too busy: {ledger.starved} calls were late for lack of a processor")
        for finding in growth(before, after) if not ledger.violations else ():
            ledger.violate(finding)
        return Report(
            seed,
            minutes,
            full,
            ledger,
            scene.outages,
            before,
            after,
            attacks,
            stage.hostile.floods,
            peak_of(stage.proxy.pid) / MIB,
            starved / spent,
        )


async def _full_load(scene: Scene) -> float:
    """Calls per second that steady callers reach back to back."""
    began = time.monotonic()
    await crowd.run(scene, [crowd.steady] * 16, _FULL_SECONDS)
    calls = sum(count for (kind, _), count in scene.ledger.counts.items() if kind == "tools/call")
    return calls / (time.monotonic() - began)


async def _break_and_call(stage: Stage, scene: Scene, seconds: float, attacks: "Counter[str] | None") -> None:
    """Callers, outages and the look at the logs, side by side until the callers have ended."""
    async with asyncio.TaskGroup() as group:
        breaking = [group.create_task(_break(stage, scene, outage)) for outage in scene.outages]
        looking = group.create_task(_keep_looking(stage, scene))
        await _attacked(scene, seconds, attacks)
        for task in (looking, *breaking):
            task.cancel()


async def _attacked(scene: Scene, seconds: float, attacks: "Counter[str] | None") -> None:
    """Callers, and hostile clients beside them where attacks are counted."""
    async with asyncio.TaskGroup() as group:
        attacking = [group.create_task(hostile(scene, attacks)) for _ in range(_HOSTILE)] if attacks is not None else []
        await crowd.run(scene, crowd.behaviours(), seconds)
        for task in attacking:
            task.cancel()


async def _break(stage: Stage, scene: Scene, outage: Outage) -> None:
    await asyncio.sleep(max(outage.begins - scene.now(), 0))
    await stage.begin(outage)
    try:
        await asyncio.sleep(max(outage.ends - scene.now(), 0))
    finally:
        # Whole again also where a violation cuts the run short, for the census to be of use.
        await stage.end(outage)


async def _keep_looking(stage: Stage, scene: Scene) -> None:
    scans = _scans(stage, scene)
    while True:
        await asyncio.sleep(_SCAN_SECONDS)
        for scan in scans:
            for finding in scan.findings():
                scene.ledger.violate(finding)
        if not stage.proxy.is_running:
            scene.ledger.violate("the proxy has ended")
        elif (peak := peak_of(stage.proxy.pid) / MIB) > POD_MIB:
            scene.ledger.violate(f"the proxy held {peak:.0f} MiB; a pod may have {POD_MIB}")


def _look(stage: Stage, scene: Scene) -> None:
    """One look at everything that was written."""
    for scan in _scans(stage, scene):
        for finding in scan.findings():
            if finding not in scene.ledger.violations:
                scene.ledger.violate(finding)


def _look_at_sizes(stage: Stage, scene: Scene, seconds: float) -> None:
    written = (stage.folder / "proxy.log").stat().st_size
    most = _LOG_BYTES_A_SECOND * max(seconds, 60.0)
    if written > most:
        scene.ledger.violate(f"the proxy wrote {written} bytes of log; {most:.0f} are allowed")


def _scans(stage: Stage, scene: Scene) -> tuple[LogScan, ...]:
    audit = LogScan(stage.folder / "audit.log", scene.marker, signs=False)
    return LogScan(stage.folder / "proxy.log", scene.marker), audit


async def _census(stage: Stage) -> Census:
    # Abandoned sessions end by their idle time, and within twice as long what their clients saw goes.
    await rest(stage.proxy.pid, stage.admin_port, TTL_SECONDS * 2 + CATALOG_SECONDS * 2 + 10)
    return await take(stage.proxy.pid, stage.admin_port, stage.task_file)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="length of the soak (default 20)")
    parser.add_argument("--seed", type=int, help="seed of the schedule (default: by chance, and told)")
    parser.add_argument("--no-hostile", action="store_true", help="without the hostile clients")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the logs in this folder")
    options = parser.parse_args()
    if not RedisServer.is_installed():
        parser.error("redis-server is not installed")
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"soaking for {options.minutes:g} minutes, seed {seed}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vmcp-soak-")))
        folder.mkdir(parents=True, exist_ok=True)
        report = uvloop.run(soak(folder, options.minutes, seed, is_attacked=not options.no_hostile))
    print(report.text())
    sys.exit(1 if report.ledger.violations or not report.ledger.total(Verdict.RIGHT) else 0)


if __name__ == "__main__":
    main()
