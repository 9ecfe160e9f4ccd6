"""The suites as the lock file pins them, taken from the registry once, and a Node that is new enough for them."""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PLACE: Final = ROOT / ".cache" / "conformance"
OLDEST_NODE: Final = 22
INSTALL_SECONDS: Final = 300.0


class FailedError(Exception):
    """The suite could not be run; says why."""


async def finished(
    command: Sequence[object], seconds: float, place: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit code of a program and what it said; it does not outlive its time."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=place, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        raise FailedError(f"{Path(str(command[0])).name} was not through after {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace")


async def installed(lock: Path = HERE, place: Path = PLACE) -> Path:
    """The folder with the packages that the lock file in a folder pins."""
    if (npm := shutil.which("npm")) is None:
        raise FailedError("npm is not there; install Node.js (any version: the suite brings its own where it must)")
    if not _is_current(lock, place):
        _prepare(lock, place)
        code, said = await finished([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], INSTALL_SECONDS, place)
        if code:
            raise FailedError(f"npm could not install what {lock.name} needs:\n{said[-2000:]}")
        (place / "npm-shrinkwrap.json").rename(place / "package-lock.json")
    return place / "node_modules"


def _is_current(lock: Path, place: Path) -> bool:
    """Whether a place has what a lock file pins; that is copied there last."""
    done = place / "package-lock.json"
    return done.exists() and done.read_bytes() == (lock / "package-lock.json").read_bytes()


def _prepare(lock: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "package-lock.json").unlink(missing_ok=True)
    shutil.copy(lock / "package.json", place)
    shutil.copy(lock / "package-lock.json", place / "npm-shrinkwrap.json")


def brought_with(modules: Path) -> list[Path]:
    """The Node that the lock file names for this kind of machine."""
    return sorted(modules.glob("node-*/bin/node"))


async def node(modules: Path) -> Path:
    """A Node that is new enough for the suite: the machine's, or the one beside the suite."""
    if (own := shutil.which("node")) is not None:
        _, said = await finished([own, "--version"], 30, modules)
        if (found := re.match(r"v(\d+)\.", said)) is not None and int(found[1]) >= OLDEST_NODE:
            return Path(own)
    for brought in brought_with(modules):
        return brought
    raise FailedError(f"the suite needs Node {OLDEST_NODE} or newer")
