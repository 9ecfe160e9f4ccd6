"""`vmcp` with one addition: on SIGUSR1 it writes the number of its unfinished tasks to a file.

Arguments: the file, then those of `vmcp`.
"""

import asyncio
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
        file.write_text(str(unfinished()))

    signal.signal(signal.SIGUSR1, write)
    sys.argv[1:] = sys.argv[2:]
    vmcp()


if __name__ == "__main__":
    main()
