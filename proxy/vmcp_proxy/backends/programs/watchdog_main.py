"""The watchdog's own process: ends groups of processes once whoever started it is gone. The standard library only.

Each line of its input is `+<group>` or `-<group>`; what is left at the end of the input is ended.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

_GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.05


def main() -> None:
    """Reads until the other end of the pipe is closed, by intent or by death."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        change = groups.add if line[:1] == b"+" else groups.discard
        change(int(line[1:]))
    end(groups)


def end(groups: Iterable[int]) -> None:
    """Asks the groups to end, then kills them."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [group for group in groups if _signal(group, number)]
        give_up = time.monotonic() + _GRACE_SECONDS
        while left and time.monotonic() < give_up:
            time.sleep(_LOOK_SECONDS)
            left = [group for group in left if _signal(group, 0)]
        groups = left


def _signal(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    main()
