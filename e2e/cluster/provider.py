"""What a way to run Kubernetes has to offer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from e2e.cluster.settings import Settings


class Provider(Protocol):
    """One cluster, running or not."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's credentials."""
        ...

    @property
    def programs(self) -> Path:
        """A folder with `kubectl` and `helm`, for the front of PATH."""
        ...

    def start(self, settings: Settings) -> None:
        """Returns when the node is Ready and names resolve.

        Raises:
            ClusterError: it did not come up; what was started is stopped again.
        """
        ...

    def stop(self) -> None:
        """Ends and deletes everything that `start` made; does nothing where nothing runs."""
        ...

    def is_running(self) -> bool:
        """Whether there is a cluster."""
        ...

    def load(self, archive: Path) -> None:
        """Brings an image archive to the node."""
        ...

    def inside(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command that runs `command` where Services and pods can be reached by their addresses."""
        ...

    def hold(self, component: str) -> None:
        """Ends a component of the control plane and keeps it from starting again."""
        ...

    def release(self, component: str) -> None:
        """Lets a held component start again."""
        ...

    def dump(self, folder: Path) -> None:
        """Writes the logs of the node's components."""
        ...
