"""Furnishes the node's own mount and network namespaces, from inside them."""

from pathlib import Path

from e2e.cluster.addresses import NODE_ADDRESS, NODE_NAME, NODE_PREFIX
from e2e.cluster.commands import run
from e2e.cluster.layout import Layout

# Per network namespace: packets of pods are routed, and pass the rules that Services are made of.
NETWORK_SYSCTLS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/ipv4/conf/all/route_localnet")


def prepare_mounts(at: Layout) -> None:
    """Gives the node its own /proc and its own content at the fixed paths of kubelet, containerd and runc."""
    # Volumes that a container may mount further have to be shared; the machine's mounts are private already.
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    binds = {"kubelet": "/var/lib/kubelet", "pod-logs": "/var/log/pods", "container-links": "/var/log/containers"}
    for source, target in binds.items():
        Path(target).mkdir(parents=True, exist_ok=True)
        run("mount", "--bind", str(at.data / source), target)
    for target in ("/run/containerd", "/run/runc"):
        Path(target).mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", target)


def prepare_network() -> None:
    """Gives the node an address and a default route that leads nowhere.

    The components want a default route to find their address by. Both ends of the pair stay in this
    namespace, so whatever takes it is dropped: tests cannot reach the world by accident.
    """
    run("hostname", NODE_NAME)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "nowhere")
    run("ip", "address", "add", f"{NODE_ADDRESS}/{NODE_PREFIX}", "dev", "eth0")
    run("ip", "link", "set", "eth0", "up")
    run("ip", "link", "set", "nowhere", "up")
    run("ip", "route", "add", "default", "dev", "eth0")
    for name in NETWORK_SYSCTLS:
        Path("/proc/sys", name).write_text("1")
