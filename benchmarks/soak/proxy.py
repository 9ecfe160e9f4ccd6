"""`vmcp` with one addition: on SIGUSR1 it gives back free memory and says how many tasks are unfinished, in a file.

Arguments: the file, then those of `vmcp`.
"""

import asyncio
import ctypes
import gc
import signal
import sys
from pathlib import Path

from vmcp_proxy.cli.main import main as vmcp


def unfinished() -> int:
    """How many tasks of any loop wait for something."""
    return sum(isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects())


def main() -> None:
    """Runs the command."""
    file = Path(sys.argv[1])

    def write(*_: object) -> None:
        gc.collect()
        # What the allocator keeps for later is not held: how much that is depends on what came last.
        if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)
        file.write_text(str(unfinished()))

    signal.signal(signal.SIGUSR1, write)
    sys.argv[1:] = sys.argv[2:]
    vmcp()


if __name__ == "__main__":
    main()
