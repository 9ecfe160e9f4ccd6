"""Takes prebuilt programs from an archive, if there is one that is what the sources would give."""

import hashlib
import os
import re
import tarfile
from pathlib import Path

from e2e.cluster.commands import run
from e2e.cluster.errors import ClusterError

REPOSITORY = Path(__file__).resolve().parents[2]
WANTED = ("hyperkube", "pause")
# The module whose version each program tells, and how it is asked.
QUESTIONS = {
    "k8s.io/kubernetes": ("kubelet", "--version"),
    "go.etcd.io/etcd/server/v3": ("etcd", "--version"),
    "github.com/coredns/coredns": ("coredns", "-version"),
    "helm.sh/helm/v4": ("helm", "version", "--short"),
}


def unpack_seed(folder: Path, versions: dict[str, str]) -> bool:
    """Unpacks `hyperkube` and `pause` into the folder; `versions` are those wanted, by module.

    `VMCP_E2E_ARCHIVE` names the archive, or says `none`; otherwise one that lies beside the repository is tried.
    Next to it lies `SHA256SUMS` with the sums of the programs.

    Returns:
        False where there is no archive, or the one found is not what is wanted.

    Raises:
        ClusterError: an archive that was named explicitly cannot be used.
    """
    named = os.environ.get("VMCP_E2E_ARCHIVE")
    if named == "none":
        return False
    archives = [Path(named)] if named else sorted((REPOSITORY.parent / "shared" / "cluster" / "dist").glob("*.tar.xz"))
    for archive in archives:
        try:
            if _unpack(archive, folder):
                _check_versions(folder, versions)
                return True
        except (ClusterError, OSError, tarfile.TarError) as error:
            if named:
                raise ClusterError(f"{archive}: {error}") from None
            print(f"not used: {archive}: {error}", flush=True)
    return False


def _unpack(archive: Path, folder: Path) -> bool:
    sums = _read_sums(archive.with_name("SHA256SUMS"))
    with tarfile.open(archive) as tar:
        if not set(WANTED) <= set(tar.getnames()):
            return False
        for name in WANTED:
            tar.extract(name, folder, filter="data")
            with (folder / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != sums.get(name):
                    raise ClusterError(f"{name} has not the sum that SHA256SUMS says")
    return True


def _read_sums(path: Path) -> dict[str, str]:
    lines = (line.split() for line in path.read_text().splitlines() if line.strip())
    return {Path(name.lstrip("*")).name: value for value, name in lines}


def _check_versions(folder: Path, versions: dict[str, str]) -> None:
    for module, (program, *arguments) in QUESTIONS.items():
        wanted = versions[module].removeprefix("v")
        said = run(str(folder / "hyperkube"), program, *arguments)
        if not re.search(rf"(?<![\d.]){re.escape(wanted)}(?![\d.])", said):
            raise ClusterError(f"{program} is not of version {wanted}")
