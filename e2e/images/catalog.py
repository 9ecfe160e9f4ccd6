"""The images of the end-to-end tests: their names, how they are made, where their archives lie."""

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from e2e.cluster.errors import ClusterError
from e2e.cluster.layout import images_folder
from e2e.images.debian import PYTHON, REDIS, DebianImage, build_debian_image
from e2e.images.dockerfile import DockerImage, build_dockerfile, pull_archive

OPERATOR = DockerImage("localhost/vmcp-operator:e2e", "Dockerfile.operator", {"BASE": PYTHON.name})
PROXY = DockerImage("localhost/vmcp-proxy:e2e", "Dockerfile.proxy", {"BASE": PYTHON.name})
BACKENDS = DockerImage("localhost/vmcp-backends:e2e", "e2e/images/Dockerfile.backends", {"BASE": PYTHON.name})

Image = DebianImage | DockerImage
IMAGES: dict[str, Image] = {
    "python": PYTHON,
    "redis": REDIS,
    "operator": OPERATOR,
    "proxy": PROXY,
    "backends": BACKENDS,
}


def archive_of(short: str) -> Path:
    """Where the archive of an image lies, made or not; `short` is a key of `IMAGES`.

    Raises:
        ClusterError: there is no such image.
    """
    image = IMAGES.get(short)
    if image is None:
        raise ClusterError(f"{short}: no such image; there are: {', '.join(IMAGES)}")
    if isinstance(image, DockerImage):
        return images_folder() / f"{short}.tar"
    # Made from nothing but this description: another one is another file.
    return images_folder() / f"{short}-{hashlib.sha256(repr(image).encode()).hexdigest()[:12]}.tar"


def build_images(shorts: Iterable[str]) -> tuple[Path, ...]:
    """The archives of images: those of Dockerfiles are built again each time, those of packages once.

    Raises:
        ClusterError: there is no such image, or it cannot be made.
    """
    return tuple(_build(short) for short in shorts)


def _build(short: str) -> Path:
    target, image = archive_of(short), IMAGES[short]
    if isinstance(image, DebianImage):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _timed(image.name, lambda: build_debian_image(image, target))
        return target
    pull_archive(PYTHON.name, _build("python"))
    _timed(image.name, lambda: build_dockerfile(image, target))
    return target


def _timed(name: str, build: Callable[[], None]) -> None:
    print(f"image {name} ...", end=" ", flush=True)
    began = time.monotonic()
    build()
    print(f"{time.monotonic() - began:.1f} s", flush=True)
