"""Installs what runs a peer, and runs it."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.ports import free_port
from tests.conformance.installing import PLACE as SUITE
from tests.conformance.installing import ROOT, FailedError, finished, installed, node
from tests.conformance.setups import up
from tests.peers.roster import Peer
from tests.servers.running import program
from tests.support.peers import CACHE, LOCKS, python_of

DRILL_SECONDS: Final = 180.0
BUILD_SECONDS: Final = 300.0
GO_SERVER: Final = "github.com/modelcontextprotocol/go-sdk/conformance/everything-server"


class Runtimes:
    """The command of each peer; what runs it is installed at its first use."""

    def __init__(self) -> None:
        self._node: tuple[Path, Path] | None = None
        self._go: Path | None = None

    async def command(self, peer: Peer) -> list[str]:
        """What starts a peer, without its arguments."""
        match peer.runtime:
            case "node":
                found, home = await self._of_node()
                return [str(found), str(home / peer.program)]
            case "inspector":
                found, home = await self._of_node()
                inspector = home / "node_modules" / "@modelcontextprotocol" / "inspector"
                named = json.loads((inspector / "package.json").read_text())["bin"]
                return [str(found), str(inspector / next(iter(named.values())))]
            case "go":
                binary, *more = peer.program.split()
                return [str(await self._of_go() / binary), *more]
            case "own":
                return [sys.executable, "-W", "ignore", str(LOCKS / "python" / peer.program)]
            case "fixture":
                return [sys.executable, "-W", "ignore", "-m", "tests.conformance.fixture"]
        python = await asyncio.to_thread(python_of, peer.runtime)
        return [str(python), "-W", "ignore", str(LOCKS / "python" / peer.program)]

    async def _of_node(self) -> tuple[Path, Path]:
        """A Node and the folder of the programs, beside the packages that they import."""
        if self._node is None:
            home = CACHE / "node"
            modules = await installed(LOCKS / "node", home)
            for each in (LOCKS / "node").glob("*.mjs"):
                shutil.copy(each, home)
            self._node = await node(await installed(place=SUITE)), modules.parent
        return self._node

    async def _of_go(self) -> Path:
        if self._go is None:
            home = CACHE / "go"
            home.mkdir(parents=True, exist_ok=True)
            go = shutil.which("go")
            if go is None:
                raise FailedError("go is not there")
            environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"}
            for target, source in {"client": ".", "server": GO_SERVER}.items():
                code, said = await finished(
                    [go, "build", "-o", home / target, source], BUILD_SECONDS, LOCKS / "go", environment
                )
                if code:
                    raise FailedError(f"go could not build {source}:\n{said[-2000:]}")
            self._go = home
        return self._go


def _environment() -> Mapping[str, str]:
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": paths}


async def drilled(command: Sequence[str], folder: Path) -> dict[str, str]:
    """What was wrong with each step that a client did; empty where nothing was."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=_environment(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(DRILL_SECONDS):
            said, complained = await process.communicate()
    except TimeoutError:
        return {"connect": f"not through after {DRILL_SECONDS:.0f} s"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [json.loads(line) for line in said.decode(errors="replace").splitlines() if line.startswith('{"')]
    found = {line["step"]: line["error"] for line in lines if "step" in line}
    return found or {"connect": complained.decode(errors="replace")[-300:]}


@contextlib.asynccontextmanager
async def serving(peer: Peer, command: Sequence[str], folder: Path) -> AsyncIterator[str]:
    """The URL of a server."""
    port, log = free_port(), folder / f"{peer.runtime}.log"
    address = ["-http", f"127.0.0.1:{port}"] if peer.runtime == "go" else [str(port)]
    async with program([*command, *address], _environment(), log):
        await up(port, log)
        yield f"http://127.0.0.1:{port}{'' if peer.runtime == 'go' else '/mcp'}"
