"""The configuration files of the node's components."""

import json
from typing import Any

from e2e.cluster.addresses import DOMAIN, NODE_ADDRESS, NODE_NAME, PAUSE_IMAGE, POD_GATEWAY, POD_RANGE
from e2e.cluster.layout import Layout

CNI_PLUGINS = "/usr/lib/cni"
# They take other file systems or devices than a test machine has, and warn about that at each start.
UNUSED_CONTAINERD_PLUGINS = (
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
)


def containerd_toml(at: Layout) -> str:
    """Of containerd 1.6 and 1.7, which Debian 12 and 13 have."""
    return f"""\
version = 2
root = "{at.data}/containerd"
state = "{at.run}/containerd"
disabled_plugins = {json.dumps(UNUSED_CONTAINERD_PLUGINS)}

[grpc]
address = "{at.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
stream_server_address = "127.0.0.1"
disable_apparmor = true
# A root without CAP_SYS_RESOURCE may not lower an OOM score; runc dies of it with an unrelated message.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{at.configs}/cni"
"""


def cni(at: Layout) -> dict[str, Any]:
    """One bridge for all pods; nothing is masqueraded, since nothing leaves the node."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(at.run / "cni"),
            "ranges": [[{"subnet": POD_RANGE, "gateway": POD_GATEWAY}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def kubelet(at: Layout, cgroup: str, sync_frequency: str) -> dict[str, Any]:
    """A KubeletConfiguration; `sync_frequency` is how often each pod is looked at again."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(at.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(at.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(at.pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{at.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": str(at.configs / "resolv.conf"),
        "syncFrequency": sync_frequency,
        "shutdownGracePeriod": "0s",
        "volumePluginDir": str(at.data / "volume-plugins"),
        # However full the disk of a test machine is: it is not this cluster that fills it.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
    }


def kube_proxy(at: Layout) -> dict[str, Any]:
    """A KubeProxyConfiguration that leaves the limits of connection tracking alone: they are the machine's."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(at.configs / "kube-proxy.kubeconfig")},
        "mode": "iptables",
        # The default of a second is what a pod that just became ready would wait for its traffic.
        "iptables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NODE_NAME,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(at: Layout) -> str:
    """Names of the cluster; all others do not exist, and that is said at once.

    They stand in two blocks: within one, `template` answers before `kubernetes` is asked.
    """
    return f"""\
{DOMAIN}:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {NODE_ADDRESS}
    errors
    ready 127.0.0.1:8181
    kubernetes {DOMAIN} in-addr.arpa ip6.arpa {{
        kubeconfig {at.configs}/coredns.kubeconfig
        pods insecure
        ttl 5
    }}
    cache 5
    loadbalance
}}
.:53 {{
    bind {NODE_ADDRESS}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""


def first_objects() -> dict[str, Any]:
    """What has to be in the API before CoreDNS starts: its role."""
    role = "system:coredns"
    group = "rbac.authorization.k8s.io"
    reads = [("", ["services", "pods", "namespaces"]), ("discovery.k8s.io", ["endpointslices"])]
    rules = [{"apiGroups": [api], "resources": names, "verbs": ["list", "watch"]} for api, names in reads]
    allowed = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": role}],
    }
    return {"apiVersion": "v1", "kind": "List", "items": [allowed, binding]}
