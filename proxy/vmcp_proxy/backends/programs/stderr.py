"""What a program says on its standard error: logged at `debug`, and its last lines kept for when it fails."""

import asyncio
import contextlib
import logging
import re
from collections import deque
from typing import Final

from vmcp_proxy.backends.programs.lines import Readable
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.masking import Masks

logger: Final = logging.getLogger("vmcp.backends")

_CHUNK_BYTES: Final = 64 << 10
_LINE_CHARACTERS: Final = 1000
_LINES_PER_SECOND: Final = 20
_KEPT_LINES: Final = 40
_KEPT_BYTES: Final = 4 << 10
"""Of one line; a longer one is not kept, for a cut could go through a secret."""
_SHOWN_LINES: Final = 5
_SHOWN_CHARACTERS: Final = 500

_ESCAPES: Final = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]"
)
"""What colours a terminal or moves its cursor."""
_TELLS_NOTHING: Final = re.compile(
    r"\s+at |[\s^~─│╭╰{}()\[\],.;:-]*$|Node\.js v|.*A complete log of this run|Traceback|\s+File \"|\s+\^"
)
"""Lines of stack traces and of package runners that say where, not what."""


class Stderr:
    """Reads one program's standard error; lines are kept as they came and masked whenever they are shown."""

    def __init__(self, backend: str, masks: Masks) -> None:
        self._backend = backend
        self._masks = masks
        self._lines: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._ended = asyncio.Event()

    async def read(self, stream: Readable) -> None:
        """Reads until the stream ends; at level `debug` all is logged but what is long or frequent."""
        rest = b""
        is_too_long = False
        rate = _Rate()
        try:
            while chunk := await stream.read(_CHUNK_BYTES):
                *complete, rest = (rest + chunk).split(b"\n")
                for line in complete[-_CHUNK_BYTES:]:
                    if not is_too_long:
                        self._take(line, rate)
                    is_too_long = False
                if len(rest) > _CHUNK_BYTES:
                    rest, is_too_long = b"", True
            if rest:
                self._take(rest, rate)
        finally:
            self._ended.set()

    async def ended(self, seconds: float) -> None:
        """Waits until all has been read, but not for longer than this: a child may hold the pipe open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def summary(self) -> str:
        """The last few lines that say something, masked and on one line; empty where there are none."""
        lines: list[str] = []
        for raw in reversed(self._lines):
            line = self._shown(raw)
            # Package runners begin every line alike, and let some end there.
            if line and not _TELLS_NOTHING.match(line) and not any(other.startswith(line) for other in lines):
                lines.append(line.strip())
            if len(lines) == _SHOWN_LINES:
                break
        # A semicolon divides what is wrong from what to do in our messages.
        return " | ".join(reversed(lines)).replace(";", ",")[-_SHOWN_CHARACTERS:]

    def _take(self, line: bytes, rate: "_Rate") -> None:
        if line.strip() and len(line) <= _KEPT_BYTES:
            self._lines.append(line)
        if logger.isEnabledFor(logging.DEBUG) and rate.allows(asyncio.get_running_loop().time()):
            # Masked before it is cut, so that no half of a secret is left at the end.
            text = self._shown(line)[:_LINE_CHARACTERS]
            log_event(logger, logging.DEBUG, "program said", backend=self._backend, line=text)

    def _shown(self, line: bytes) -> str:
        return self._masks.apply(_ESCAPES.sub("", line.decode("utf-8", "replace"))).rstrip()


class _Rate:
    """Allows so many lines in a second."""

    def __init__(self) -> None:
        self._second = 0
        self._lines = 0

    def allows(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._lines = int(now), 0
        self._lines += 1
        return self._lines <= _LINES_PER_SECOND
