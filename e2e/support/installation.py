"""The product in a cluster: images built, cluster up, both charts installed with helm."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import Cluster, ClusterError, Forward, Settings
from e2e.cluster.layout import cache_folder
from e2e.images.catalog import OPERATOR, PROXY, archive_of, build_images
from e2e.support.kube import Kube
from e2e.support.network import HOST_PORT, NAMESPACE, NODE_PORT, start_relay
from e2e.support.standins import build_standins

ROOT = Path(__file__).resolve().parents[2]
OPERATOR_CHART = ROOT / "charts/vmcp-operator"
DUMPS = ROOT / ".cache" / "e2e"
SYSTEM = "vmcp-system"
RELEASE = "vmcp-operator"
IMAGES = ("operator", "proxy", "backends", "redis")
API_PORT = 6444


@contextmanager
def installed() -> Iterator[Cluster]:
    """A cluster with the operator in it, beside the one that a developer may have running."""
    build_images(IMAGES)
    print("cluster, and both charts in it ...", flush=True)
    settings = Settings(
        folder=cache_folder() / "tests",
        port=API_PORT,
        images=(*(archive_of(short) for short in IMAGES), *build_standins()),
        forwards=(Forward(HOST_PORT, NODE_PORT),),
        # Secrets reach their volumes when the kubelet looks at the pod again; a config comes at once whatever this is.
        sync_frequency="30s",
    )
    with Cluster.up(settings) as cluster:
        try:
            _install(cluster)
            _start_relay(cluster)
        except ClusterError:
            cluster.dump(DUMPS / "installation")
            raise
        yield cluster


def _start_relay(cluster: Cluster) -> None:
    kube = Kube(cluster, NAMESPACE)
    kube.create_namespace()
    start_relay(kube)


def operator_values(operator_image: str = OPERATOR.name, proxy_image: str = PROXY.name) -> tuple[str, ...]:
    """What every install of the operator's chart needs here: images that are on the node, and a log that tells all."""
    operator, _, tag = operator_image.rpartition(":")
    proxy, _, proxy_tag = proxy_image.rpartition(":")
    values = (
        f"image.repository={operator}",
        f"image.tag={tag}",
        "image.pullPolicy=Never",
        f"proxy.image.repository={proxy}",
        f"proxy.image.tag={proxy_tag}",
        "logLevel=debug",
    )
    return tuple(f"--set={value}" for value in values)


def _install(cluster: Cluster) -> None:
    Kube(cluster, SYSTEM).create_namespace()
    options = (f"--namespace={SYSTEM}", "--wait", "--timeout=120s")
    cluster.helm("install", "vmcp-operator-crds", str(ROOT / "charts/vmcp-operator-crds"), *options)
    cluster.helm("install", RELEASE, str(OPERATOR_CHART), *options, *operator_values())
