"""Images of our own under the public names that the examples use, as the cluster reaches no registry."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.cluster.layout import images_folder
from e2e.images.catalog import archive_of

Edit = Callable[[Any], Any]

SERVERS = ("ghcr.io/stackloklabs/gofetch/server:1.0.5", "ghcr.io/stackloklabs/yardstick/yardstick-server:1.1.1")
"""Played by the server `notes`, which an argument-less container of the image is."""

REDIS = ("docker.io/library/redis:8.2",)


def build_standins() -> tuple[Path, ...]:
    """Archives of the images under their public names; made again when their originals were."""
    return (
        _copy(archive_of("backends"), "manifest.json", _rename_docker(SERVERS)),
        _copy(archive_of("redis"), "index.json", _rename_oci(REDIS)),
    )


def _rename_docker(names: tuple[str, ...]) -> Edit:
    return lambda images: [{**image, "RepoTags": list(names)} for image in images]


def _rename_oci(names: tuple[str, ...]) -> Edit:
    def rename(index: Any) -> Any:
        (image,) = index["manifests"]
        named = [{**image, "annotations": {"io.containerd.image.name": name}} for name in names]
        return {**index, "manifests": named}

    return rename


def _copy(source: Path, index: str, edit: Edit) -> Path:
    """The archive with another index, which is where its names stand."""
    target = images_folder() / f"standin-{source.name}"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    new = target.with_suffix(".new")
    with tarfile.open(source) as old, tarfile.open(new, "w") as made:
        for member in old:
            content = old.extractfile(member) if member.isreg() else None
            if member.name == index and content is not None:
                data = json.dumps(edit(json.load(content))).encode()
                member.size = len(data)
                content = io.BytesIO(data)
            if member.name != "repositories":
                made.addfile(member, content)
    new.rename(target)
    return target
