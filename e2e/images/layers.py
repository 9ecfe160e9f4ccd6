"""Makes image layers of files."""

import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path


def layer_of_files(files: Mapping[str, Path], folder: Path) -> Path:
    """A layer in `folder` with root's files, by their absolute path inside; the same files give the same bytes."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".layer", delete=False) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for inside, source in sorted(files.items()):
                tar.add(source, arcname=inside.lstrip("/"), filter=_plain)
        return Path(stream.name)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
