"""Environments of software that cannot stand beside ours: other versions of the SDK, each from its own lock."""

import fcntl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tests" / "peers"
CACHE = ROOT / ".cache" / "peers"
UV = Path(sys.executable).parent / "uv"


def python_of(peer: str) -> Path:
    """The interpreter of an environment that is made on first use from `tests/peers/<peer>.lock`."""
    home = CACHE / f"{peer}-{sys.version_info.major}.{sys.version_info.minor}"
    lock = LOCKS / f"{peer}.lock"
    python = home / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{peer}.busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)  # the suite runs in several processes
        installed = home / lock.name
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            _run("venv", "--quiet", "--clear", "--python", sys.executable, str(home))
            _run("pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(lock))
            installed.write_bytes(lock.read_bytes())
    return python


def _run(*arguments: str) -> None:
    done = subprocess.run([UV, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
