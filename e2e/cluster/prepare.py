"""Writes the certificates and configuration files of a node that is about to start."""

import json
from pathlib import Path
from typing import Any

from e2e.cluster import configs
from e2e.cluster.addresses import API_SERVICE_ADDRESS, DOMAIN, NODE_ADDRESS, NODE_NAME
from e2e.cluster.layout import Layout
from e2e.cluster.pki import Authority, Subject

MASTERS = "system:masters"
API_SERVER_HOSTS = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{DOMAIN}",
    "localhost",
    NODE_NAME,
    "127.0.0.1",
    NODE_ADDRESS,
    API_SERVICE_ADDRESS,
)
# Those with a kubeconfig.
CLIENTS = {
    "admin": Subject("kubernetes-admin", MASTERS),
    "kube-controller-manager": Subject("system:kube-controller-manager"),
    "kube-scheduler": Subject("system:kube-scheduler"),
    "kube-proxy": Subject("system:kube-proxy"),
    "coredns": Subject("system:coredns"),
    "kubelet": Subject(f"system:node:{NODE_NAME}", "system:nodes", (NODE_NAME, NODE_ADDRESS, "127.0.0.1")),
}


def prepare(at: Layout, port: int, cgroup: str, sync_frequency: str) -> None:
    """Writes all that the components read; `port` is the API server's."""
    _write_credentials(at, f"https://127.0.0.1:{port}")
    folder = at.configs
    (folder / "containerd.toml").write_text(configs.containerd_toml(at))
    (folder / "Corefile").write_text(configs.corefile(at))
    (folder / "resolv.conf").write_text(f"nameserver {NODE_ADDRESS}\n")
    _write_json(folder / "cni" / "10-pods.conflist", configs.cni(at))
    _write_json(folder / "kubelet.json", configs.kubelet(at, cgroup, sync_frequency))
    _write_json(folder / "kube-proxy.json", configs.kube_proxy(at))
    _write_json(folder / "first-objects.json", configs.first_objects())


def _write_credentials(at: Layout, server: str) -> None:
    authority = Authority(at.pki)
    authority.begin()
    authority.issue("apiserver", Subject("kube-apiserver", hosts=API_SERVER_HOSTS))
    authority.issue("apiserver-kubelet-client", Subject("kube-apiserver-kubelet-client", MASTERS))
    authority.issue_key_pair("service-account")
    for file, subject in CLIENTS.items():
        authority.issue(file, subject)
        target = at.kubeconfig if file == "admin" else at.configs / f"{file}.kubeconfig"
        target.touch(0o600)
        target.write_text(authority.kubeconfig(file, server))


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1))
