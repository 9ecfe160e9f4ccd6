"""Refuses files that a process further up serves already: servers that start one another would never end."""

import os
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Final

from vmcp_proxy.cli.exits import CommandError, Exit

SERVED: Final = "VMCP_SERVED"
"""The variable that programs inherit: what is served above them, each file with the process that serves it."""

_APART: Final = "\n"


def enter(files: Iterable[Path], environ: MutableMapping[str, str]) -> None:
    """Notes in the environment that this process serves some files.

    Raises:
        CommandError: another one above it, which has started it directly or not, serves one of them.
    """
    above = [line for line in environ.get(SERVED, "").split(_APART) if line]
    own = f"{os.getpid()} "
    paths = [str(file.resolve()) for file in files]
    theirs = {line.partition(" ")[2] for line in above if not line.startswith(own)}
    for path in paths:
        if path in theirs:
            raise CommandError(
                Exit.INVALID,
                f"{path} is served already by the vmcp that has started this one",
                "take out the entry that starts vmcp for it, or the servers would start one another without end",
            )
    environ[SERVED] = _APART.join(dict.fromkeys((*above, *(own + path for path in paths))))
