"""Writes OCI image archives, which containerd imports and buildah pulls (OCI image layout 1.0)."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CREATED = "1970-01-01T00:00:00Z"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MEDIA_TYPE = "application/vnd.oci.image"
SEARCH_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How a container of the image starts; `user` is `uid` or `uid:gid`."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    folder: str = "/"


def write_image(name: str, layers: Sequence[Path], config: ImageConfig, target: Path) -> None:
    """Writes an archive of uncompressed layers, the lowest first; `name` has a tag."""
    with tarfile.open(target, "w") as tar:
        described = [_add_file(tar, layer) for layer in layers]
        config_blob = _add_blob(tar, _config(config, [layer["digest"] for layer in described]))
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA_TYPE}.manifest.v1+json",
            "config": {"mediaType": f"{MEDIA_TYPE}.config.v1+json", **config_blob},
            "layers": [{"mediaType": f"{MEDIA_TYPE}.layer.v1.tar", **layer} for layer in described],
        }
        entry = {
            "mediaType": f"{MEDIA_TYPE}.manifest.v1+json",
            **_add_blob(tar, manifest),
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            },
            "platform": {"architecture": _architecture(), "os": "linux"},
        }
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _config(config: ImageConfig, digests: list[str]) -> dict[str, Any]:
    return {
        "architecture": _architecture(),
        "os": "linux",
        "created": CREATED,
        "config": {
            "Entrypoint": list(config.entrypoint) or None,
            "Cmd": list(config.command) or None,
            "Env": [f"PATH={SEARCH_PATH}"],
            "User": config.user,
            "WorkingDir": config.folder,
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
        # One line for each layer: without, buildah does not build on the image.
        "history": [{"created": CREATED, "created_by": "e2e.images"} for _ in digests],
    }


def _architecture() -> str:
    return ARCHITECTURES[platform.machine()]


def _add_file(tar: tarfile.TarFile, path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        info = tarfile.TarInfo(f"blobs/sha256/{digest}")
        info.size = path.stat().st_size
        tar.addfile(info, stream)
    return {"digest": f"sha256:{digest}", "size": info.size}


def _add_blob(tar: tarfile.TarFile, document: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    _add(tar, f"blobs/sha256/{digest}", data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
