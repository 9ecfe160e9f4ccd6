"""The run: faults by turns beside the clients, a check after each that clients are well, and the verdict at the end."""

import asyncio
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from e2e.chaos.callers import Caller, Ledger
from e2e.chaos.faults import FAULTS, Fault
from e2e.chaos.stage import SHARED, SINGLE, TOOL, Stage
from e2e.chaos.verdict import flaws, is_behind
from e2e.cluster import ClusterError

CALLERS = {SHARED: 3, SINGLE: 2}
WELL_SECONDS = 120.0
TRUE_SECONDS = 180.0
CAUGHT_UP_SECONDS = 300.0
REST_SECONDS = 20.0
CANCEL_SECONDS = 5.0
GROWTH_KIB = 16 * 1024
"""What an operator may hold more of at the end than at the beginning."""


@dataclass(slots=True)
class Report:
    """What a run found."""

    seed: int
    ledger: Ledger
    faults: list[tuple[float, str]] = field(default_factory=list)
    before: int = 0
    after: int = 0

    def text(self) -> str:
        """For people."""
        lines = [f"{seconds:7.1f} s  {name}" for seconds, name in self.faults]
        ledger = self.ledger
        lines += [
            f"seed {self.seed}: {len(self.faults)} faults",
            f"{ledger.right} calls answered, {ledger.failures.total()} not",
            *(f"  {count} during: {name}" for name, count in ledger.failures.most_common()),
            f"operator at rest: {self.before} KiB before, {self.after} KiB after",
            *(f"VIOLATION {each}" for each in ledger.violations),
        ]
        return "\n".join(lines)


async def run(stage: Stage, minutes: float, seed: int) -> Report:
    """The whole of it; violations stand in the report's ledger."""
    ledger = Ledger()
    report = Report(seed, ledger, before=await asyncio.to_thread(memory, stage))
    callers = [
        Caller(f"{name}-{number}", await asyncio.to_thread(stage.url, name), TOOL, ledger)
        for name, count in CALLERS.items()
        for number in range(count)
    ]
    tasks = [asyncio.create_task(caller.run()) for caller in callers]
    try:
        await _break(stage, report, callers, minutes * 60)
        await _judge(stage, report)
    finally:
        ledger.is_over = True
        await _end(tasks)
    report.after = await asyncio.to_thread(memory, stage)
    if report.after - report.before > GROWTH_KIB:
        ledger.violations.append(f"the operator holds {report.after - report.before} KiB more than before")
    return report


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels again and again: a client of an SDK may lose a cancellation while it closes its streams."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CANCEL_SECONDS)


async def _break(stage: Stage, report: Report, callers: list[Caller], seconds: float) -> None:
    began = time.monotonic()
    for fault in deck(report.seed):
        if time.monotonic() - began > seconds:
            return
        report.faults.append((time.monotonic() - began, fault.name))
        print(f"{time.strftime('%H:%M:%S')} {fault.name}", flush=True)
        with report.ledger.during(fault):
            try:
                await asyncio.to_thread(fault.break_it, stage, fault.seconds)
            except ClusterError as error:
                report.ledger.violations.append(f"{fault.name}: {error}")
            if not await _caught_up(stage):
                report.ledger.violations.append(f"the control plane does not catch up after {fault.name}")
            well = await asyncio.gather(*(caller.until_well(WELL_SECONDS) for caller in callers))
        if not all(well):
            report.ledger.violations.append(f"{WELL_SECONDS:.0f} s after {fault.name} not every client is served")


async def _judge(stage: Stage, report: Report) -> None:
    """Every status comes to be true, and then nothing is written."""
    deadline = time.monotonic() + TRUE_SECONDS
    while found := await asyncio.to_thread(_flaws, stage):
        if time.monotonic() > deadline:
            report.ledger.violations += found
            return
        await asyncio.sleep(2)
    print(f"{time.strftime('%H:%M:%S')} every status is true", flush=True)
    before = await asyncio.to_thread(writes, stage)
    await asyncio.sleep(REST_SECONDS)
    if (after := await asyncio.to_thread(writes, stage)) != before:
        report.ledger.violations.append(f"the operators wrote {before} before and {after} after a rest")
    report.ledger.violations += await asyncio.to_thread(bugs, stage)


async def _caught_up(stage: Stage) -> bool:
    """Waits until Services lead to the pods that are ready, which takes Kubernetes minutes after its own outages."""
    deadline = time.monotonic() + CAUGHT_UP_SECONDS
    while time.monotonic() < deadline:
        if not await asyncio.to_thread(_behind, stage):
            return True
        await asyncio.sleep(1)
    return False


def _behind(stage: Stage) -> bool:
    try:
        return is_behind(stage)
    except (ClusterError, ValueError, KeyError):
        return True


def deck(seed: int) -> Iterator[Fault]:
    """Every fault in an order by chance, again and again."""
    chance = random.Random(seed)
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


def _flaws(stage: Stage) -> list[str]:
    try:
        return flaws(stage)
    except (ClusterError, ValueError, KeyError) as error:
        return [f"{type(error).__name__}: {error}"]


def memory(stage: Stage) -> int:
    """What the operator that works holds, in KiB."""
    leader, _ = stage.operators.by_role()
    script = "print(open('/proc/1/status').read())"
    text = stage.operators.system.kubectl("exec", leader["metadata"]["name"], "--", "python", "-c", script)
    found = re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def writes(stage: Stage) -> dict[str, float]:
    """What each operator has written."""
    return {pod["metadata"]["name"]: stage.operators.writes(pod) for pod in stage.operators.pods()}


def bugs(stage: Stage) -> list[str]:
    """Lines of the operators' logs that tell of a defect, whatever was broken."""
    found = []
    for pod in stage.operators.pods():
        name = pod["metadata"]["name"]
        log = stage.operators.system.kubectl("logs", name, "--tail=-1")
        lines = [line for line in log.splitlines() if "Traceback" in line or "the operator failed on it" in line]
        found += [f"{name}: {line[:500]}" for line in lines]
    return found
