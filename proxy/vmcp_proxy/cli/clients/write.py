"""Replaces a client's file in one step, and keeps what was there."""

import itertools
import os
import tempfile
from pathlib import Path
from typing import Final

BACKUP_SUFFIX: Final = ".vmcp.bak"
_NEW_MODE: Final = 0o600
"""Such files hold credentials."""


class ChangedMeanwhileError(Exception):
    """Another program has written the file since it was read."""


def read(file: Path) -> bytes | None:
    """The bytes of a file, links followed; None where there is none."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def replace(file: Path, before: bytes | None, after: bytes) -> Path | None:
    """Writes a file that held `before`, its mode kept, links followed; where its former bytes are, if it had any.

    Raises:
        ChangedMeanwhileError: it holds something else now; nothing was written.
        OSError: it cannot be written.
    """
    target = file.resolve()
    backup = None
    mode = _NEW_MODE if before is None else target.stat().st_mode & 0o7777
    if before is not None:
        backup = _back_up(target, before, mode)
    if read(target) != before:
        raise ChangedMeanwhileError
    _put(target, after, mode)
    return backup


def _back_up(target: Path, data: bytes, mode: int) -> Path:
    """Where these bytes are kept beside a file; no backup takes the place of another, for the first is the user's."""
    for number in itertools.count():
        backup = target.with_name(f"{target.name}{BACKUP_SUFFIX}{f'.{number}' if number else ''}")
        if read(backup) == data:
            return backup
        try:
            backup.touch(mode=_NEW_MODE, exist_ok=False)
        except FileExistsError:
            continue
        _put(backup, data, mode)
        return backup
    raise AssertionError("numbers do not end")


def _put(target: Path, data: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        beside.chmod(mode)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
