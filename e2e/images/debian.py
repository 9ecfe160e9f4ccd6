"""Base images made from Debian packages, where no registry can be reached."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.commands import require, run
from e2e.images.archive import ImageConfig, write_image

SUITE = "trixie"
UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


@dataclass(frozen=True, slots=True)
class DebianImage:
    """`packages` and what they need; `hooks` are shell lines run on the new root, which is `$1` in them."""

    name: str
    packages: tuple[str, ...]
    config: ImageConfig
    hooks: tuple[str, ...] = ()


# The official image of the same name lets pip install, and calls its interpreter `python` too.
PYTHON = DebianImage(
    name="localhost/python:3.13-slim",
    packages=("ca-certificates", "python3", "python3-pip", "python3-venv"),
    config=ImageConfig(command=("python3",)),
    hooks=('ln -s python3 "$1/usr/bin/python"', 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED'),
)
REDIS = DebianImage(
    name="localhost/redis:1",
    packages=("redis-server",),
    config=ImageConfig(
        entrypoint=("redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""),
        user="65532:65532",
        folder="/tmp",
    ),
)


def build_debian_image(image: DebianImage, target: Path) -> None:
    """Writes the image's archive.

    Raises:
        ClusterError: not root, or the packages cannot be had.
    """
    require({"mmdebstrap": "mmdebstrap"})
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        root = Path(folder, "root.tar")
        # mmdebstrap goes by the suffix of its target unless told.
        options = ["--quiet", "--format=tar", "--variant=minbase", f"--include={','.join(image.packages)}"]
        options += [f"--dpkgopt=path-exclude={path}" for path in UNREAD]
        options += [f"--customize-hook={hook}" for hook in image.hooks]
        run("mmdebstrap", *options, SUITE, str(root))
        made = Path(folder, "image.tar")
        write_image(image.name, [root], image.config, made)
        made.rename(target)
