"""How a cluster is started."""

from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster.layout import cache_folder

API_PORT = 6443
TIMEOUT = 180.0


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of this machine's loopback that leads to a NodePort."""

    host: int
    node: int


@dataclass(frozen=True, slots=True)
class Settings:
    """`folder` holds the cluster's files; `port` is the API server's on 127.0.0.1; `timeout` in seconds bounds `up`.

    `sync_frequency` is how often the kubelet looks at each pod again, which is how long a changed ConfigMap
    may take to reach its volume; the default is the kubelet's own.
    """

    folder: Path = field(default_factory=lambda: cache_folder() / "cluster")
    port: int = API_PORT
    images: tuple[Path, ...] = ()
    forwards: tuple[Forward, ...] = ()
    sync_frequency: str = "1m"
    timeout: float = TIMEOUT
