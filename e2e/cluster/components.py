"""The command lines of the node's components."""

from e2e.cluster.addresses import DOMAIN, NODE_ADDRESS, NODE_NAME, POD_RANGE, SERVICE_RANGE
from e2e.cluster.layout import Layout

# In the order in which they are started; CoreDNS waits for its role (see supervisor.py).
BEFORE_THE_API = ("etcd", "containerd", "kube-apiserver")
AFTER_THE_API = ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy")
ETCD = "http://127.0.0.1:2379"


def command_lines(at: Layout, port: int) -> dict[str, list[str]]:
    """Each component by its name."""
    configs, programs = at.configs, at.programs
    lines = {
        "etcd": _etcd(at),
        "kube-apiserver": _api_server(at, port),
        "kube-controller-manager": _controller_manager(at),
        "kube-scheduler": [
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--kubeconfig={configs}/kube-scheduler.kubeconfig",
        ],
        "kubelet": [
            f"--config={configs}/kubelet.json",
            f"--kubeconfig={configs}/kubelet.kubeconfig",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
        ],
        "kube-proxy": [f"--config={configs}/kube-proxy.json"],
        "coredns": ["-conf", f"{configs}/Corefile"],
    }
    ours = {name: [str(programs / name), *arguments] for name, arguments in lines.items()}
    return {**ours, "containerd": ["containerd", f"--config={configs}/containerd.toml", "--log-level=warn"]}


def _etcd(at: Layout) -> list[str]:
    peers = "http://127.0.0.1:2380"
    return [
        f"--name={NODE_NAME}",
        f"--data-dir={at.data}/etcd",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster={NODE_NAME}={peers}",
        "--log-level=warn",
        "--unsafe-no-fsync",  # nobody misses the data of a cluster that crashed
    ]


def _api_server(at: Layout, port: int) -> list[str]:
    pki = at.pki
    return [
        f"--etcd-servers={ETCD}",
        "--bind-address=0.0.0.0",
        f"--secure-port={port}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
    ]


def _controller_manager(at: Layout) -> list[str]:
    pki = at.pki
    return [
        f"--kubeconfig={at.configs}/kube-controller-manager.kubeconfig",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--use-service-account-credentials=true",
        # At the default rate it takes seconds until the first ServiceAccount is there.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--service-account-private-key-file={pki}/service-account.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        f"--cluster-cidr={POD_RANGE}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--flex-volume-plugin-dir={at.data}/volume-plugins",
        "--allocate-node-cidrs=false",
    ]
