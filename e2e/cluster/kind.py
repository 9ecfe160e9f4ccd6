"""The same cluster by kind, on machines with Docker."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.commands import require, run
from e2e.cluster.layout import Layout
from e2e.cluster.settings import Settings

NAME = "vmcp-e2e"
CONTROL_PLANE = f"{NAME}-control-plane"
NEEDS = {"docker": "docker.io", "kind": "golang-go", "kubectl": "kubernetes-client", "helm": "golang-go"}
MANIFESTS = "/etc/kubernetes/manifests"
HELD = "/etc/kubernetes"


@dataclass(frozen=True, slots=True)
class Kind:
    """See `Provider`; kubectl and helm are the machine's own."""

    at: Layout

    @property
    def kubeconfig(self) -> Path:
        return self.at.kubeconfig

    @property
    def programs(self) -> Path:
        return self.at.programs

    def is_running(self) -> bool:
        return NAME in run("kind", "get", "clusters").split()

    def start(self, settings: Settings) -> None:
        require(NEEDS)
        self.at.make()
        config = self.at.configs / "kind.json"
        config.write_text(json.dumps(_config(settings)))
        wait = f"--wait={settings.timeout:.0f}s"
        try:
            run("kind", "create", "cluster", f"--name={NAME}", f"--config={config}", *self._kubeconfig(), wait)
            for archive in settings.images:
                self.load(archive)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        run("kind", "delete", "cluster", f"--name={NAME}", *self._kubeconfig())
        self.at.wipe()

    def load(self, archive: Path) -> None:
        run("kind", "load", "image-archive", str(archive), f"--name={NAME}")

    def inside(self, command: Sequence[str]) -> tuple[str, ...]:
        # Docker routes from the machine to the node's address and its NodePorts.
        return tuple(command)

    def hold(self, component: str) -> None:
        run("docker", "exec", CONTROL_PLANE, "mv", f"{MANIFESTS}/{component}.yaml", HELD)

    def release(self, component: str) -> None:
        run("docker", "exec", CONTROL_PLANE, "mv", f"{HELD}/{component}.yaml", MANIFESTS)

    def dump(self, folder: Path) -> None:
        run("kind", "export", "logs", str(folder / "node"), f"--name={NAME}")

    def _kubeconfig(self) -> tuple[str, str]:
        return ("--kubeconfig", str(self.kubeconfig))


def _config(settings: Settings) -> dict[str, object]:
    ports = [
        {"listenAddress": "127.0.0.1", "hostPort": forward.host, "containerPort": forward.node}
        for forward in settings.forwards
    ]
    kubelet = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "syncFrequency": settings.sync_frequency,
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": "127.0.0.1", "apiServerPort": settings.port},
        "nodes": [{"role": "control-plane", "extraPortMappings": ports}],
        "kubeadmConfigPatches": [json.dumps(kubelet)],
    }
