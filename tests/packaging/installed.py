"""Builds the wheel and installs it into fresh places, with the versions of the lock file."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECONDS = 120.0
"""For one step: a machine without a cache downloads what it installs."""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def run(*command: str | Path, **variables: str) -> Ended:
    """A program from start to end, outside of the repository, with none of this environment's Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=variables.get("HOME", "/"),
        env=kept | {"PATH": f"{BIN}:{os.environ['PATH']}"} | variables,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def must(*command: str | Path, **variables: str) -> str:
    """What a program prints that has to succeed."""
    done = run(*command, **variables)
    assert done.code == 0, done.err
    return done.out


def build_wheel(folder: Path) -> Path:
    """The wheel, built by the locked hatchling."""
    lock = ROOT / "requirements-build.lock"
    must(BIN / "uv", "build", "--wheel", "--require-hashes", "--build-constraints", lock, "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def write_constraints(path: Path) -> Path:
    """The locked versions without their hashes, which a wheel of our own has none of."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    path.write_text("\n".join(re.findall(r"^[A-Za-z0-9_.-]+==[^\s\\]+(?: ;[^\\\n]*)?", lock, re.MULTILINE)))
    return path


@dataclass(frozen=True)
class Installation:
    """An environment that holds the wheel with some of its extras."""

    bin: Path

    def vmcp(self, *arguments: str | Path) -> Ended:
        return run(self.bin / "vmcp", *arguments)

    def module(self, name: str, *arguments: str) -> Ended:
        return run(self.bin / "python", "-m", name, *arguments)


def install(wheel: Path, extras: str, folder: Path) -> Installation:
    """A fresh environment with the wheel and the named extras, such as `[cli]`."""
    constraints = write_constraints(folder.with_suffix(".txt"))
    must(BIN / "uv", "venv", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    must(BIN / "uv", "pip", "install", "--python", python, "--constraints", constraints, f"{wheel}{extras}")
    return Installation(folder / "bin")
