"""Compiles programs with Go, and says on the screen what, how far it is and how long it takes."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from e2e.cluster.errors import ClusterError

BUILD_TIMEOUT = 3600.0
TELL_SECONDS = 15.0
"""Between two lines about how far it is."""

_FETCHING = "go: downloading "
_SAID = 4000
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class GoProgram:
    """One program of a Go module: `module` is the module's folder, `package` the program's in it."""

    module: Path
    name: str
    package: str = "."
    tags: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    """Variables that the linker sets, as `package.name=value`."""


def go_build(program: GoProgram, target: Path) -> None:
    """Writes the program to `target`.

    Raises:
        ClusterError: there is no Go, or the build failed; the message ends with what it said.
    """
    if shutil.which("go") is None:
        raise ClusterError(
            f"{program.name} is built with Go 1.21 or newer, which is not there (it fetches the release it wants)"
        )
    began = time.monotonic()
    tags = [f"-tags={','.join(program.tags)}"] if program.tags else []
    most = sum(" h1:" in line and "/go.mod h1:" not in line for line in _sums(program.module))
    listed = _go(
        program,
        ["list", "-deps", *tags, program.package],
        lambda lines: f"fetched {_fetched(lines)} Go modules of at most {most}",
    )
    packages = len(listed.splitlines())
    flags = " ".join(["-s -w", *(f"-X {stamp}" for stamp in program.stamps)])
    _go(
        program,
        ["build", "-v", "-trimpath", *tags, "-ldflags", flags, "-o", str(target), program.package],
        # What Go kept from an earlier build is not named.
        lambda lines: f"compiled {len(lines) - _fetched(lines)} packages of at most {packages}",
    )
    print(f"{program.name}: built in {time.monotonic() - began:.0f} s", flush=True)


def _go(program: GoProgram, arguments: list[str], describe: Callable[[list[str]], str]) -> str:
    """What go printed; meanwhile what it says is counted and told."""
    command = [*(["nice"] if shutil.which("nice") else []), "go", *arguments]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=said,
            cwd=program.module,
            env={**os.environ, "CGO_ENABLED": "0"},
        )
        try:
            _accompany(process, lambda: f"{program.name}: {describe(_read(said).splitlines())}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise ClusterError(f"go {arguments[0]}: exit {process.returncode}\n{_read(said).strip()[-_SAID:]}")
        return _read(printed)


def _accompany(process: subprocess.Popen[bytes], describe: Callable[[], str]) -> None:
    """Waits for the end of a process, and tells now and then how far it is."""
    began = time.monotonic()
    told = 0.0
    while True:
        try:
            process.wait(_POLL)
        except subprocess.TimeoutExpired:
            passed = time.monotonic() - began
            if passed > BUILD_TIMEOUT:
                raise ClusterError(f"{describe()}: gave up after {passed:.0f} s") from None
            if passed - told >= TELL_SECONDS:
                told = passed
                print(f"{describe()}, {passed:.0f} s", flush=True)
        else:
            return


def _read(file: IO[bytes]) -> str:
    """All of a file that another process writes to: a seek would move its place too."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


def _fetched(lines: list[str]) -> int:
    return sum(line.startswith(_FETCHING) for line in lines)


def _sums(module: Path) -> list[str]:
    return (module / "go.sum").read_text().splitlines() if (module / "go.sum").exists() else []
