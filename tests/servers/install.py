"""Installs servers from their registries into a cache, each into a place of its own."""

import asyncio
import os
import sys
from collections import defaultdict
from pathlib import Path

from tests.servers.table import Server

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "servers"
UV = Path(sys.executable).parent / "uv"
INSTALL_SECONDS = 300
_BUSY: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)
"""Rows of one package share its place, and only one of them may fill it."""


async def installed(server: Server) -> Path:
    """The folder of the programs of a server.

    Raises:
        RuntimeError: its installer failed; the text is what it said.
    """
    home = CACHE / server.source / f"{server.package}@{server.version}{server.beside}".replace("/", "+")
    match server.source:
        case "npm":
            programs = home / "node_modules" / ".bin"
            commands = [["npm", "install", *_QUIET, "--prefix", home, f"{server.package}@{server.version}"]]
        case "pypi":
            programs = home / "bin"
            wanted = [f"{server.package}=={server.version}", *filter(None, [server.beside])]
            commands = [
                [UV, "venv", "--quiet", "--clear", "--python", sys.executable, home],
                [UV, "pip", "install", "--quiet", "--python", programs / "python", *wanted],
            ]
        case "go":
            programs = home
            commands = [["go", "install", f"{server.package}@{server.version}"]]
    done = home / ".done"
    async with _BUSY[home]:
        if not done.exists():
            home.mkdir(parents=True, exist_ok=True)
            for command in commands:
                await _run(command, {**os.environ, "GOBIN": str(home), "GOFLAGS": "-buildvcs=false"})
            done.touch()
    return programs


_QUIET = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts")


async def _run(command: list[object], environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(INSTALL_SECONDS):
        said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {said.decode()[-2000:]}")
