"""The node's first process: starts the components, starts again those that end, buries orphans."""

import asyncio
import json
import os
import signal
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

from e2e.cluster import identity
from e2e.cluster.components import AFTER_THE_API, BEFORE_THE_API, command_lines
from e2e.cluster.forwarder import start_forwarder
from e2e.cluster.layout import Layout
from e2e.cluster.milestones import Milestone, hold_file, is_reached, pid_file, reach
from e2e.cluster.namespaces import prepare_mounts, prepare_network

RESTART_DELAY = 1.0
POLL = 0.05
PROBE_TIMEOUT = 5.0


class Supervisor:
    """Keeps the components of one node running until it is killed."""

    def __init__(self, at: Layout, port: int) -> None:
        self.at = at
        self.port = port
        self.commands = command_lines(at, port)
        self.ends: dict[int, asyncio.Future[int]] = {}

    async def run(self, forwards: tuple[tuple[int, int], ...]) -> None:
        """Never returns; `forwards` are pairs of a listening descriptor and a port of the node."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.bury)
        servers = [await start_forwarder(descriptor, port) for descriptor, port in forwards]
        async with asyncio.TaskGroup() as tasks:
            for server in servers:
                tasks.create_task(server.serve_forever())
            for name in BEFORE_THE_API:
                tasks.create_task(self.keep_running(name))
            await self.answers(f"https://127.0.0.1:{self.port}/readyz")
            reach(self.at, Milestone.API_READY)
            for name in AFTER_THE_API:
                tasks.create_task(self.keep_running(name))
            # Refused once, CoreDNS waits for seconds before it asks again.
            while not is_reached(self.at, Milestone.OBJECTS_MADE):  # noqa: ASYNC110 - another process says so, by a file
                await asyncio.sleep(POLL)
            tasks.create_task(self.keep_running("coredns"))
            await self.answers("http://127.0.0.1:8181/ready")
            reach(self.at, Milestone.DNS_READY)

    async def keep_running(self, name: str) -> None:
        """Starts a component again whenever it ends, unless it is held."""
        while True:
            if hold_file(self.at, name).exists():
                await asyncio.sleep(POLL)
                continue
            pid = self.spawn(name)
            ended = self.ends[pid] = asyncio.get_running_loop().create_future()
            pid_file(self.at, name).write_text(str(pid))
            status = await ended
            pid_file(self.at, name).unlink(missing_ok=True)
            print(f"{name} ended ({os.waitstatus_to_exitcode(status)})", flush=True)
            await asyncio.sleep(RESTART_DELAY)

    def spawn(self, name: str) -> int:
        """Starts a component; returns its number in here."""
        log = str(self.at.logs / f"{name}.log")
        command = self.commands[name]
        return os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE],  # Python ignores it, and children would inherit that
        )

    def bury(self) -> None:
        """Collects whoever has ended; orphans of containers become children of this process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ended = self.ends.pop(pid, None)
            if ended is not None and not ended.done():
                ended.set_result(status)

    async def answers(self, url: str) -> None:
        """Returns once the URL answers 200; the caller of `up` bounds the wait by killing this process."""
        ca = self.at.pki / "ca.crt"
        context = ssl.create_default_context(cafile=str(ca)) if url.startswith("https") else None
        while not await asyncio.to_thread(_is_ok, url, context):  # noqa: ASYNC110 - nothing tells but the answer
            await asyncio.sleep(POLL)


def _is_ok(url: str, context: ssl.SSLContext | None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT, context=context) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main() -> None:
    """Runs as process 1 of new namespaces; the argument is the folder of the cluster."""
    at = Layout(Path(sys.argv[1]))
    options = json.loads((at.run / "node.json").read_text())
    # /proc is still the machine's, so this is the number that the machine knows this process by.
    identity.record(at, int(Path("/proc/self").readlink().name))
    prepare_mounts(at)
    prepare_network()
    asyncio.run(Supervisor(at, options["port"]).run(tuple((fd, port) for fd, port in options["forwards"])))


if __name__ == "__main__":
    main()
