"""Builds Dockerfiles with buildah, without a container engine and without a registry."""

from dataclasses import dataclass, field
from pathlib import Path

from e2e.cluster.commands import require, run
from e2e.cluster.layout import images_folder

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD_TIMEOUT = 1800.0
# How this machine reaches its package index. It is there while RUN runs and stays in no image.
INDEX_ACCESS = ("/etc/pip.conf", "/etc/ssl/certs")


@dataclass(frozen=True, slots=True)
class DockerImage:
    """A Dockerfile of this repository and its build arguments."""

    name: str
    dockerfile: str
    arguments: dict[str, str] = field(default_factory=dict)


def pull_archive(name: str, archive: Path) -> None:
    """Makes the image of an archive known to later builds."""
    listed = _buildah("images", "--format={{.Name}}:{{.Tag}}").split()
    if name not in listed:
        _buildah("pull", "--quiet", f"oci-archive:{archive}")


def build_dockerfile(image: DockerImage, target: Path, source: Path = REPOSITORY) -> None:
    """Builds the image of the files in `source` and writes its archive; unchanged steps come from buildah's cache.

    Raises:
        ClusterError: the build failed; the message ends with what it said.
    """
    mounts = [f"--volume={path}:{path}:ro" for path in INDEX_ACCESS if Path(path).exists()]
    arguments = [f"--build-arg={name}={value}" for name, value in image.arguments.items()]
    # chroot isolation and the machine's network: RUN needs no runtime, no bridge and no cgroup.
    options = ["--isolation=chroot", "--network=host", "--pull=never", "--layers", "--force-rm", *mounts, *arguments]
    dockerfile = source / image.dockerfile
    _buildah("build", *options, f"--file={dockerfile}", f"--tag={image.name}", str(source))
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    _buildah("push", "--quiet", "--disable-compression", image.name, f"docker-archive:{new}:{image.name}")
    new.rename(target)


def _buildah(*arguments: str) -> str:
    require({"buildah": "buildah", "unshare": "util-linux"})
    storage = images_folder() / "buildah"
    config = storage / "storage.conf"
    if not config.exists():
        storage.mkdir(parents=True, exist_ok=True)
        lines = ("[storage]", 'driver = "overlay"', f'graphroot = "{storage}/graph"', f'runroot = "{storage}/run"')
        config.write_text("\n".join(lines) + "\n")
    # buildah leaves its storage mounted, and a failed build its container: here they end with the command.
    command = ("unshare", "--mount", "buildah", *arguments)
    return run(*command, env={"CONTAINERS_STORAGE_CONF": str(config)}, timeout=BUILD_TIMEOUT)
