"""Finds the Kubernetes programs: in the cache, in an archive, or by building them from Go modules."""

import hashlib
import platform
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.addresses import PAUSE_IMAGE
from e2e.cluster.commands import run
from e2e.cluster.errors import ClusterError
from e2e.cluster.layout import cache_folder
from e2e.cluster.seed import unpack_seed
from e2e.images.archive import ImageConfig, write_image
from e2e.images.layers import layer_of_files

SOURCES = Path(__file__).resolve().parent / "go"
PROGRAMS = (
    "coredns",
    "etcd",
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
BUILD_TIMEOUT = 3600.0
# The components compare their versions, and what is not stamped by the linker counts as 0.0.
VERSIONED = ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with `hyperkube`, `pause` and the image made of the latter."""

    folder: Path

    @property
    def pause_image(self) -> Path:
        """The archive of the image that every pod starts with."""
        return self.folder / "pause.tar"

    def link_into(self, folder: Path) -> None:
        """Makes a link for each program, by whose name hyperkube knows which to be."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(self.folder / "hyperkube")


def find_programs() -> Programs:
    """The programs of this version of the sources, made if they are not in the cache.

    Raises:
        ClusterError: they cannot be built.
    """
    target = cache_folder() / "programs" / source_digest()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-") as folder:
            made = Path(folder, "programs")
            made.mkdir()
            if not unpack_seed(made, module_versions()):
                build_hyperkube(made)
                build_pause(made)
            layer = layer_of_files({"/pause": made / "pause"}, Path(folder))
            write_image(PAUSE_IMAGE, [layer], ImageConfig(entrypoint=("/pause",)), made / "pause.tar")
            made.rename(target)
    return Programs(target)


def source_digest() -> str:
    """Changes with the Go sources and with the machine's architecture."""
    digest = hashlib.sha256(platform.machine().encode())
    for path in sorted(path for path in SOURCES.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(SOURCES)} {content}\n".encode())
    return digest.hexdigest()[:16]


def module_versions() -> dict[str, str]:
    """The versions that `go.mod` asks for, by module."""
    text = (SOURCES / "hyperkube" / "go.mod").read_text()
    return dict(re.findall(r"^\s+(\S+) (v\S+)", text, re.MULTILINE))


def build_hyperkube(folder: Path) -> None:
    """Compiles every program but pause; takes minutes when Go's own cache is empty."""
    versions = module_versions()
    kubernetes, helm = versions["k8s.io/kubernetes"], versions["helm.sh/helm/v4"]
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = [f"-X {package}.{name}={value}" for package in VERSIONED for name, value in stamps.items()]
    flags.append(f"-X helm.sh/helm/v4/internal/version.version={helm}")
    print(f"building Kubernetes {kubernetes} from Go modules: 7 to 15 minutes, once", flush=True)
    began = time.monotonic()
    # With its tracing in, grpc makes the linker keep every method of every type.
    _go_build("hyperkube", folder, "-tags", "grpcnotrace", flags=flags)
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)


def build_pause(folder: Path) -> None:
    """Compiles the program that holds a pod's namespaces."""
    _go_build("pause", folder)


def _go_build(name: str, folder: Path, *options: str, flags: list[str] | None = None) -> None:
    if shutil.which("go") is None:
        raise ClusterError(
            "Go 1.21 or newer is needed to build the cluster's programs; it fetches the release they want"
        )
    linker = " ".join(["-s -w", *(flags or [])])
    command = ["go", "build", "-trimpath", *options, "-ldflags", linker, "-o", str(folder / name), "."]
    if shutil.which("nice"):
        command = ["nice", *command]
    run(*command, env={"CGO_ENABLED": "0"}, cwd=SOURCES / name, timeout=BUILD_TIMEOUT)
