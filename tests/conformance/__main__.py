"""Runs the server scenarios of one revision against the proxy; exit code 1 where one that counts fails."""

import argparse
import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import Final

from tests.servers.running import VMCP, free_port, listening, program

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PLACE: Final = ROOT / ".cache" / "conformance"
RESULTS: Final = PLACE / "results"
"""Where the suite writes each check."""
LEGACY: Final = "2025-11-25"
SCENARIOS: Final = {LEGACY: "P-5"}
"""The acceptance scenarios that the suite shows, by revision."""
RECORD: Final = ROOT / ".cache" / "scenarios-conformance.json"
"""Where `make scenarios` looks for what came of them."""
OLDEST_NODE: Final = 22
SUMMARY: Final = "=== SUMMARY"
INSTALL_SECONDS: Final = 300.0
SUITE_SECONDS: Final = 300.0

MANIFEST: Final = """\
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPServer
metadata: {{name: conformance}}
spec:
  groupRef: {{name: conformance}}
  incomingAuth: {{type: anonymous}}
  config:
    aggregation:
      # The suite knows the fixture's names, so nothing may be put in front of them.
      conflictResolution: priority
      conflictResolutionConfig: {{priorityOrder: [fixture]}}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPGroup
metadata: {{name: conformance}}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServerEntry
metadata: {{name: fixture}}
spec:
  groupRef: {{name: conformance}}
  remoteUrl: http://127.0.0.1:{port}/mcp
  transport: streamable-http
"""


class FailedError(Exception):
    """The suite could not be run; says why."""


async def finished(command: list[object], seconds: float, place: Path) -> tuple[int, str]:
    """The exit code of a program and what it said; it does not outlive its time."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=place, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
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


async def installed() -> Path:
    """The folder with the suite as the lock file pins it; taken from the registry once."""
    if (npm := shutil.which("npm")) is None:
        raise FailedError("npm is not there; install Node.js (any version: the suite brings its own where it must)")
    done = PLACE / "package-lock.json"
    if not done.exists() or done.read_bytes() != (HERE / "package-lock.json").read_bytes():
        PLACE.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        shutil.copy(HERE / "package.json", PLACE)
        shutil.copy(HERE / "package-lock.json", PLACE / "npm-shrinkwrap.json")
        code, said = await finished([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], INSTALL_SECONDS, PLACE)
        if code:
            raise FailedError(f"npm could not install the suite:\n{said[-2000:]}")
        (PLACE / "npm-shrinkwrap.json").rename(done)
    return PLACE / "node_modules"


def brought_with(modules: Path) -> list[Path]:
    """The Node that the lock file names for this kind of machine."""
    return sorted(modules.glob("node-*/bin/node"))


def end_of(log: Path) -> str:
    """What a program said last."""
    return log.read_text(errors="replace")[-4000:]


async def node(modules: Path) -> Path:
    """A Node that is new enough for the suite: the machine's, or the one beside the suite."""
    if (own := shutil.which("node")) is not None:
        _, said = await finished([own, "--version"], 30, modules)
        if (found := re.match(r"v(\d+)\.", said)) is not None and int(found[1]) >= OLDEST_NODE:
            return Path(own)
    for brought in brought_with(modules):
        return brought
    raise FailedError(f"the suite needs Node {OLDEST_NODE} or newer")


async def up(port: int, log: Path) -> None:
    """Waits until a program listens."""
    try:
        await listening(port)
    except TimeoutError:
        raise FailedError(f"{log.stem} did not come up:\n{end_of(log)}") from None


async def run(revision: str) -> int:
    """Judges the fixture through one `vmcp serve`; the suite's exit code."""
    modules = await installed()
    program_of_node = await node(modules)
    with tempfile.TemporaryDirectory(prefix="vmcp-conformance-") as name:
        folder, backend, port = Path(name), free_port(), free_port()
        (folder / "manifests.yaml").write_text(MANIFEST.format(port=backend))
        fixture = [sys.executable, "-W", "ignore", "-m", "tests.conformance.fixture", str(backend)]
        serve = [VMCP, "serve", "-f", folder / "manifests.yaml", "--port", port, "--admin-port", free_port()]
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        async with program(fixture, {**os.environ, "PYTHONPATH": paths}, folder / "fixture.log"):
            await up(backend, folder / "fixture.log")
            async with program([str(each) for each in serve], os.environ, folder / "vmcp.log"):
                await up(port, folder / "vmcp.log")
                suite = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
                url = f"http://127.0.0.1:{port}/mcp"
                command = [program_of_node, suite, "server", "--url", url, "--requirements", revision, "-o", RESULTS]
                code, said = await finished(command, SUITE_SECONDS, folder)
                print(said if code else said[max(said.find(SUMMARY), 0) :])
                if code:
                    print(end_of(folder / "vmcp.log"), file=sys.stderr)
        return code


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--revision", default=LEGACY, help="whose requirements count (default: %(default)s)")
    options = parser.parse_args()
    shutil.rmtree(RESULTS, ignore_errors=True)
    if options.revision in SCENARIOS:
        RECORD.unlink(missing_ok=True)
    try:
        code = asyncio.run(run(options.revision))
    except FailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{'conforms' if code == 0 else 'DOES NOT CONFORM'} to {options.revision}; each check: {RESULTS}")
    note(options.revision, "failed" if code else "passed")
    return 1 if code else 0


def note(revision: str, outcome: str) -> None:
    """Keeps the outcome beside those of the tests."""
    if (scenario := SCENARIOS.get(revision)) is not None:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps({scenario: [outcome]}))


if __name__ == "__main__":
    sys.exit(main())
