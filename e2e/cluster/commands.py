"""Runs programs of the machine and turns failure into an error that can be read."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from e2e.cluster.errors import ClusterError

PATIENCE = 600.0
POLL = 0.05


def run(
    *command: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = PATIENCE,
) -> str:
    """What the command printed; `env` is added to this process's environment, `timeout` is in seconds.

    Raises:
        ClusterError: the command is missing, failed, or took too long.
    """
    environment = {**os.environ, **(env or {})}
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        raise ClusterError(f"{command[0]}: no such program")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=cwd,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{' '.join(command)}: gave up after {timeout:.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-4000:]
        raise ClusterError(f"{' '.join(command)}: exit {done.returncode}\n{said}")
    return done.stdout


def require(packages: Mapping[str, str]) -> None:
    """Checks that programs are there; `packages` maps each to the Debian package that has it.

    Raises:
        ClusterError: some are missing; the message installs them.
    """
    missing = sorted({package for program, package in packages.items() if shutil.which(program) is None})
    if missing:
        raise ClusterError(f"install what is missing: apt-get install --no-install-recommends {' '.join(missing)}")


def wait_for(what: str, deadline: float, check: Callable[[], bool]) -> None:
    """Polls until the check holds; `deadline` is a `time.monotonic()` value.

    Raises:
        ClusterError: the deadline has passed.
    """
    while not check():
        if time.monotonic() > deadline:
            raise ClusterError(f"gave up waiting for {what}")
        time.sleep(POLL)
