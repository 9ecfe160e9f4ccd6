"""A Kubernetes cluster for tests, however it is run."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from e2e.cluster.commands import PATIENCE, run
from e2e.cluster.dump import dump_api
from e2e.cluster.errors import ClusterError
from e2e.cluster.kind import Kind
from e2e.cluster.layout import Layout
from e2e.cluster.node import Node
from e2e.cluster.provider import Provider
from e2e.cluster.settings import Settings

PROVIDERS = ("node", "kind")


def find_provider(name: str, folder: Path) -> Provider:
    """The provider of that name, with its files in `folder`.

    Raises:
        ClusterError: there is none of that name.
    """
    at = Layout(folder.resolve())
    match name:
        case "node":
            return Node(at)
        case "kind":
            return Kind(at)
        case _:
            raise ClusterError(f"{name}: no such kind of cluster; there are: {', '.join(PROVIDERS)}")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs; ends when it is left as a context manager, or by `down`."""

    provider: Provider

    @classmethod
    def up(cls, settings: Settings | None = None, provider: str | None = None) -> Self:
        """Starts a cluster: node Ready, names resolve; `provider` is by default what CLUSTER names, else `node`.

        Raises:
            ClusterError: it did not come up; nothing of it is left.
        """
        chosen = settings or Settings()
        found = find_provider(provider or os.environ.get("CLUSTER") or "node", chosen.folder)
        found.start(chosen)
        return cls(found)

    @classmethod
    def attach(cls, settings: Settings | None = None, provider: str | None = None) -> Self:
        """The cluster that runs from this folder.

        Raises:
            ClusterError: none does.
        """
        folder = (settings or Settings()).folder
        found = find_provider(provider or os.environ.get("CLUSTER") or "node", folder)
        if not found.is_running():
            raise ClusterError(f"no cluster runs from {folder}")
        return cls(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's credentials, good from the machine and from inside."""
        return self.provider.kubeconfig

    @property
    def environment(self) -> dict[str, str]:
        """What makes `kubectl` and `helm` of the right version talk to this cluster."""
        path = f"{self.provider.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {"KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def load_image(self, *archives: Path) -> None:
        """Brings image archives to the node, to be used with `imagePullPolicy: Never` or `IfNotPresent`."""
        for archive in archives:
            self.provider.load(archive)

    def kubectl(self, *arguments: str, stdin: str = "", timeout: float = PATIENCE) -> str:
        """What kubectl printed.

        Raises:
            ClusterError: it failed; the message has what it said.
        """
        return run("kubectl", *arguments, env=self.environment, stdin=stdin, timeout=timeout)

    def helm(self, *arguments: str, timeout: float = PATIENCE) -> str:
        """What helm printed.

        Raises:
            ClusterError: it failed; the message has what it said.
        """
        return run("helm", *arguments, env=self.environment, timeout=timeout)

    def exec(self, command: Sequence[str], timeout: float = PATIENCE) -> str:
        """What a program of this machine printed that ran in the cluster's network.

        Raises:
            ClusterError: it failed; the message has what it said.
        """
        return run(*self.provider.inside(command), env=self.environment, timeout=timeout)

    def popen(self, command: Sequence[str], output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """A program of this machine in the cluster's network, such as a server that pods call.

        The caller ends it; its standard output and error go to `output`.
        """
        environment = {**os.environ, **self.environment}
        inside = self.provider.inside(command)
        return subprocess.Popen(
            inside, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, text=True
        )

    def hold(self, component: str) -> None:
        """Takes a component of the control plane away, such as `kube-apiserver`, until `release`."""
        self.provider.hold(component)

    def release(self, component: str) -> None:
        """Gives a component back; it needs seconds to start."""
        self.provider.release(component)

    def dump(self, folder: Path) -> None:
        """Writes resources, events and logs of pods and components for a person to read; never a Secret."""
        folder.mkdir(parents=True, exist_ok=True)
        self.provider.dump(folder)
        dump_api(self.kubectl, folder)

    def down(self) -> None:
        """Ends and deletes the cluster; says so if anything of it is left.

        Raises:
            ClusterError: a process or a cgroup is left.
        """
        self.provider.stop()
