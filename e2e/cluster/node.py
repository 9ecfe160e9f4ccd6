"""A one-node cluster in namespaces of its own: no Docker, no systemd, no registry."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import identity
from e2e.cluster.addresses import NODE_NAME
from e2e.cluster.commands import require, run, wait_for
from e2e.cluster.errors import ClusterError
from e2e.cluster.layout import Layout
from e2e.cluster.machine import borrow, give_back, spawn_node
from e2e.cluster.milestones import Milestone, hold_file, is_reached, pid_file, reach
from e2e.cluster.prepare import prepare
from e2e.cluster.programs import Programs, find_programs
from e2e.cluster.settings import Settings

NEEDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "unshare": "util-linux",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
BIRTH_PATIENCE = 20.0
LOG_TAIL = 15


@dataclass(frozen=True, slots=True)
class Node:
    """See `Provider`; `at` is where its files lie."""

    at: Layout

    @property
    def kubeconfig(self) -> Path:
        return self.at.kubeconfig

    @property
    def programs(self) -> Path:
        return self.at.programs

    def is_running(self) -> bool:
        return identity.running(self.at) is not None

    def start(self, settings: Settings) -> None:
        if os.geteuid():
            raise ClusterError("only root can make a cluster; run it with sudo")
        require(NEEDS)
        if self.is_running():
            raise ClusterError(f"a cluster already runs from {self.at.root}: stop it with 'down'")
        programs = find_programs()
        self.stop()
        try:
            self._start(settings, programs)
        except ClusterError as error:
            logs = self._tails()
            self.stop()
            raise ClusterError(f"{error}\n{logs}") from None
        except BaseException:
            self.stop()
            raise

    def _start(self, settings: Settings, programs: Programs) -> None:
        deadline = time.monotonic() + settings.timeout
        cgroup = f"vmcp-e2e-{settings.port}"
        self.at.make()
        programs.link_into(self.at.programs)
        prepare(self.at, settings.port, cgroup, settings.sync_frequency)
        borrow(self.at, cgroup)
        spawn_node(self.at, settings)
        self._wait("the node's first process", time.monotonic() + BIRTH_PATIENCE, (self.at.run / "pid").exists)
        self._wait("containerd", deadline, self.at.containerd_socket.exists)
        for archive in (programs.pause_image, *settings.images):
            self.load(archive)
        self._wait("the API server", deadline, lambda: is_reached(self.at, Milestone.API_READY))
        self._kubectl("create", "--filename", str(self.at.configs / "first-objects.json"))
        reach(self.at, Milestone.OBJECTS_MADE)
        timeout = f"--timeout={max(1, int(deadline - time.monotonic()))}s"
        self._kubectl("wait", "--for=create", f"node/{NODE_NAME}", timeout)
        self._kubectl("wait", "--for=condition=Ready", f"node/{NODE_NAME}", timeout)
        self._kubectl("wait", "--for=create", "serviceaccount/default", "--namespace=default", timeout)
        self._wait("CoreDNS", deadline, lambda: is_reached(self.at, Milestone.DNS_READY))

    def stop(self) -> None:
        identity.kill(self.at)
        give_back(self.at)
        self.at.wipe()

    def load(self, archive: Path) -> None:
        self._need()
        run("ctr", "--address", str(self.at.containerd_socket), "--namespace=k8s.io", "images", "import", str(archive))

    def inside(self, command: Sequence[str]) -> tuple[str, ...]:
        return ("nsenter", f"--target={self._need()}", "--net", "--", *command)

    def hold(self, component: str) -> None:
        own = pid_file(self.at, component)
        if not own.exists():
            raise ClusterError(f"{component} does not run")
        hold_file(self.at, component).touch()
        run("nsenter", f"--target={self._need()}", "--pid", "--mount", "--", "kill", "-KILL", own.read_text())
        self._wait(f"{component} to end", time.monotonic() + BIRTH_PATIENCE, lambda: not own.exists())

    def release(self, component: str) -> None:
        hold_file(self.at, component).unlink(missing_ok=True)

    def dump(self, folder: Path) -> None:
        shutil.copytree(self.at.logs, folder / "node", dirs_exist_ok=True)

    def _need(self) -> int:
        pid = identity.running(self.at)
        if pid is None:
            raise ClusterError(f"no cluster runs from {self.at.root}")
        return pid

    def _wait(self, what: str, deadline: float, check: Callable[[], bool]) -> None:
        def holds() -> bool:
            # A node that has ended reaches nothing any more; before its birth there is no file.
            return check() or ((self.at.run / "pid").exists() and self._need() == 0)

        wait_for(what, deadline, holds)

    def _kubectl(self, *arguments: str) -> str:
        return run(str(self.at.programs / "kubectl"), f"--kubeconfig={self.at.kubeconfig}", *arguments)

    def _tails(self) -> str:
        tails = []
        for log in sorted(self.at.logs.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
            tails += [f"--- {log}", *lines]
        return "\n".join(tails)
