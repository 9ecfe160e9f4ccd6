"""What a node borrows from the machine, and gives back."""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from e2e.cluster import cgroups
from e2e.cluster.errors import ClusterError
from e2e.cluster.layout import Layout
from e2e.cluster.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
NAMESPACES = ("--net", "--pid", "--mount", "--uts", "--ipc")
# The kubelet sets them, and they are the whole machine's.
KUBELET_SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")


def borrow(at: Layout, cgroup: str) -> None:
    """Makes the cgroups, and writes down what `give_back` restores."""
    values = {name: Path("/proc/sys", name).read_text().strip() for name in KUBELET_SYSCTLS}
    _debts(at).write_text(json.dumps({"cgroup": cgroup, "sysctls": values}))
    cgroups.make(cgroup)


def give_back(at: Layout) -> None:
    """Removes the cgroups and restores the settings, also those of a cluster that nobody stopped.

    Raises:
        ClusterError: a cgroup is still in use.
    """
    if not _debts(at).exists():
        return
    debts = json.loads(_debts(at).read_text())
    cgroups.remove(debts["cgroup"])
    for name, value in debts["sysctls"].items():
        Path("/proc/sys", name).write_text(value)


def spawn_node(at: Layout, settings: Settings) -> None:
    """Starts the node's first process, which `identity.running` finds from then on.

    Raises:
        ClusterError: a port of the machine is taken.
    """
    pairs = [(settings.port, settings.port), *((forward.host, forward.node) for forward in settings.forwards)]
    with ExitStack() as stack:
        forwards = [(stack.enter_context(_listen(near)).fileno(), far) for near, far in pairs]
        supervisor = (sys.executable, "-m", "e2e.cluster.supervisor", str(at.root))
        options = {"port": settings.port, "forwards": forwards}
        (at.run / "node.json").write_text(json.dumps(options))
        log = stack.enter_context((at.logs / "node.log").open("ab"))
        # setsid forks and returns: the node is nobody's child, so no caller has to wait for it.
        subprocess.run(
            ["setsid", "--fork", "unshare", *NAMESPACES, "--fork", "--kill-child", *supervisor],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[descriptor for descriptor, _ in forwards],
            check=True,
            timeout=10,
        )


def _debts(at: Layout) -> Path:
    return at.run / "debts.json"


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        raise ClusterError(f"127.0.0.1:{port}: {error.strerror}; choose another port") from None
