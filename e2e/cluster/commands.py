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
    *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = PATIENCE
) -> str:
    """What the command printed; `env` is added to this process's environment, `timeout` is in seconds.

    Raises:
        ClusterError: the command is missing, failed, or took too long.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{error.filename}: no such program or folder") from None
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
