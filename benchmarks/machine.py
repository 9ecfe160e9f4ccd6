"""What a run ran on: machine, load, versions."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.contenders.roster import Roster
from benchmarks.rig import Scale
from vmcp_api.distribution import DISTRIBUTION


def describe(roster: Roster, scale: Scale) -> dict[str, object]:
    """Everything that a reader needs to judge figures by; read it before the run, for the load average."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "packages": {name: version(name) for name in (DISTRIBUTION, "uvicorn", "uvloop", "httptools", "msgspec")},
        "contenders": {each.name: each.version for each in roster.present},
        "absent": {each.title: each.reason for each in roster.absent},
        "turns": scale.turns,
        "seconds": scale.seconds,
        "connections": scale.connections,
    }


def cpu_model() -> str:
    """The name of the CPU as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
