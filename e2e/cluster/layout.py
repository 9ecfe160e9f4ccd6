"""Where programs, images and clusters lie on this machine."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


def cache_folder() -> Path:
    """The folder of all that the end-to-end tests keep between runs."""
    return Path(os.environ.get("VMCP_E2E_CACHE") or "~/.cache/vmcp-e2e").expanduser().resolve()


def images_folder() -> Path:
    """The folder of image archives."""
    return cache_folder() / "images"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one cluster, under one folder."""

    root: Path

    @property
    def programs(self) -> Path:
        """Links named after the programs: first on PATH."""
        return self.root / "bin"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's credentials."""
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def configs(self) -> Path:
        """What the components read."""
        return self.root / "conf"

    @property
    def run(self) -> Path:
        """What lives as long as the node: sockets, milestones, its number."""
        return self.root / "run"

    @property
    def data(self) -> Path:
        """What the components write: volumes, container layers, the database."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One file for each component; kept after the cluster has ended."""
        return self.root / "logs"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.run / "containerd.sock"

    def make(self) -> None:
        """Makes the folders, logs empty."""
        shutil.rmtree(self.logs, ignore_errors=True)
        volumes = (self.data / "kubelet", self.data / "pod-logs", self.data / "container-links")
        for folder in (self.programs, self.pki, self.configs / "cni", self.run, self.logs, *volumes):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)

    def wipe(self) -> None:
        """Deletes all but the logs."""
        for folder in (self.programs, self.pki, self.configs, self.run, self.data):
            shutil.rmtree(folder, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)
