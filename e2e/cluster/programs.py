"""Finds the Kubernetes programs: in the cache, in an archive, or by building them from Go modules."""

import hashlib
import platform
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.addresses import PAUSE_IMAGE
from e2e.cluster.gobuild import GoProgram, go_build
from e2e.cluster.layout import cache_folder
from e2e.cluster.seed import unpack_seed
from e2e.images.archive import ImageConfig, write_image
from e2e.images.layers import layer_of_files

SOURCES = Path(__file__).resolve().parent / "go"
HYPERKUBE = SOURCES / "hyperkube"
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
    target = _programs_folder()
    if not target.exists():
        _take(target, are_built=True)
    return Programs(target)


def find_helm() -> Path:
    """helm of this version of the sources: one of `PROGRAMS` where they are there, else made alone.

    Raises:
        ClusterError: it cannot be built.
    """
    programs, alone = _programs_folder(), cache_folder() / "helm" / source_digest() / "helm"
    if not programs.exists() and not alone.exists():
        programs.parent.mkdir(parents=True, exist_ok=True)
        alone.parent.mkdir(parents=True, exist_ok=True)
        if not _take(programs, are_built=False):
            with tempfile.TemporaryDirectory(dir=alone.parent, prefix="new-") as folder:
                build_helm(Path(folder, "helm"))
                Path(folder, "helm").rename(alone)
    if not programs.exists():
        return alone
    links = cache_folder() / "helm" / "bin"
    Programs(programs).link_into(links)
    return links / "helm"


def source_digest() -> str:
    """Changes with the Go sources and with the machine's architecture."""
    digest = hashlib.sha256(platform.machine().encode())
    for path in sorted(path for path in SOURCES.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(SOURCES)} {content}\n".encode())
    return digest.hexdigest()[:16]


def _programs_folder() -> Path:
    return cache_folder() / "programs" / source_digest()


def _take(target: Path, *, are_built: bool) -> bool:
    """Fills the folder of the programs from an archive, or by building them if asked; False where it stays empty."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="new-") as folder:
        made = Path(folder, "programs")
        made.mkdir()
        if not unpack_seed(made, module_versions()):
            if not are_built:
                return False
            build_hyperkube(made)
            build_pause(made)
        layer = layer_of_files({"/pause": made / "pause"}, Path(folder))
        write_image(PAUSE_IMAGE, [layer], ImageConfig(entrypoint=("/pause",)), made / "pause.tar")
        made.rename(target)
    return True


def module_versions() -> dict[str, str]:
    """The versions that `go.mod` asks for, by module."""
    text = (SOURCES / "hyperkube" / "go.mod").read_text()
    return dict(re.findall(r"^\s+(\S+) (v\S+)", text, re.MULTILINE))


def build_hyperkube(folder: Path) -> None:
    """Compiles every program but pause; takes minutes when Go's own cache is empty."""
    versions = module_versions()
    kubernetes = versions["k8s.io/kubernetes"]
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    print(
        f"building Kubernetes {kubernetes}, etcd, CoreDNS and helm from Go modules, once: 7 to 15 minutes on 2 cores, "
        "longer beside other work",
        flush=True,
    )
    program = GoProgram(
        HYPERKUBE,
        f"Kubernetes {kubernetes}",
        # With its tracing in, grpc makes the linker keep every method of every type.
        tags=("grpcnotrace",),
        stamps=(
            *(f"{package}.{name}={value}" for package in VERSIONED for name, value in stamps.items()),
            _helm_stamp(versions),
        ),
    )
    go_build(program, folder / "hyperkube")


def build_helm(target: Path) -> None:
    """Compiles helm alone."""
    versions = module_versions()
    helm = versions["helm.sh/helm/v4"]
    print(f"building helm {helm} from Go modules, once: 2 to 5 minutes on 2 cores", flush=True)
    # The tags of the whole, so that neither compiles again what the other has.
    program = GoProgram(HYPERKUBE, f"helm {helm}", "./cmd/helm", ("grpcnotrace",), (_helm_stamp(versions),))
    go_build(program, target)


def build_pause(folder: Path) -> None:
    """Compiles the program that holds a pod's namespaces."""
    go_build(GoProgram(SOURCES / "pause", "pause"), folder / "pause")


def _helm_stamp(versions: dict[str, str]) -> str:
    return f"helm.sh/helm/v4/internal/version.version={versions['helm.sh/helm/v4']}"
