"""Audit lines on their way to a sink, in their order, without ever holding up a request."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol, TypeAlias

from vmcp_proxy.observability.audit.sinks.sink import Sink, SinkAwayError
from vmcp_proxy.observability.logs import log_event

MOST_LINES: Final = 100_000
MOST_BYTES: Final = 32 << 20
"""Lines, and bytes of lines, that wait at most for a sink that is away."""

CLOSE_SECONDS: Final = 5.0
"""How long the lines that wait are tried once the process ends, or another sink takes over."""

_GATHER_SECONDS: Final = 0.02
_GRACE_SECONDS: Final = 0.2
_BATCH_LINES: Final = 1000
_BATCH_BYTES: Final = 256 << 10
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0
_MOST_ASKED: Final = 60.0
"""Seconds that a sink may ask for between two attempts."""
_AWAY_SECONDS: Final = 1.0
"""A sink that fails for less is not worth a line of the log."""

_REFUSED_SECONDS: Final = 60.0
"""Between two lines of the log about what a sink refuses: a wrong one refuses each batch."""


class PendingLine(Protocol):
    """A line that is yet to be made, in the queue's thread; `len` is about its bytes."""

    def __len__(self) -> int: ...

    def encode(self) -> bytes:
        """The line with its line end."""
        ...


Line: TypeAlias = bytes | PendingLine

LossLine: TypeAlias = Callable[[int, datetime], bytes]
"""The line that says how many events were lost, and since when."""


class _Loss(bytes):
    """A line about lost events (`told` of them), which is none itself."""

    told = 0


class _Switch:
    """From here on lines go to another sink; none means nowhere. Takes no room."""

    __slots__ = ("number", "place", "sink", "trouble", "until")

    def __init__(self, number: int, sink: Sink | None, trouble: str = "", place: str = "") -> None:
        self.place: Final = place
        self.number: Final = number
        self.sink: Final = sink
        self.trouble: Final = trouble
        self.until: Final = time.monotonic() + CLOSE_SECONDS


class AuditQueue:
    """Sends lines through a sink from a thread of its own, in batches, at most 20 ms late.

    A sink that is away is tried again, with growing pauses, and nothing is lost while what waits is within its bounds.
    Beyond them the newest lines are dropped: what waits keeps its order and has no holes, and the line that says how
    many are missing stands where they would. Once full it takes lines again when an eighth is free, so that a slow sink
    gets few such lines. `loss_line` makes them. `place` is where the sink is, for the log.

    `switch` gives it another sink: what waits goes to the former one first, and where that is away to the new one.

    Each counter is written by one thread only; `_lock` guards what both write, off the way of lines that fit.
    """

    __slots__ = (
        "_away_logged",
        "_closing",
        "_deadline",
        "_done",
        "_done_bytes",
        "_failing_since",
        "_gave_up",
        "_is_full",
        "_lines",
        "_lock",
        "_logger",
        "_loss_line",
        "_lost",
        "_lost_since",
        "_newest",
        "_number",
        "_place",
        "_refused",
        "_refused_next",
        "_refuses",
        "_sink",
        "_taken",
        "_taken_bytes",
        "_thread",
        "_trouble",
        "_untold",
        "_wake",
    )

    def __init__(
        self, sink: Sink, logger: logging.Logger, loss_line: LossLine, trouble: str = "", place: str = ""
    ) -> None:
        self._sink: Sink | None = sink
        self._number = 0
        self._newest = _Switch(0, sink, trouble, place)
        self._trouble = trouble
        self._place = place
        self._logger: Final = logger
        self._loss_line: Final = loss_line
        self._lines: deque[Line | _Switch] = deque()
        self._taken = self._taken_bytes = 0
        self._done = self._done_bytes = 0
        self._is_full = False
        self._lock: Final = threading.Lock()
        self._lost = 0
        self._untold = 0
        self._lost_since = datetime.now(UTC)
        self._failing_since: float | None = None
        self._away_logged = False
        self._refuses = False
        self._refused = 0
        self._refused_next = 0.0
        self._gave_up = False
        self._wake: Final = threading.Event()
        self._closing: Final = threading.Event()
        self._deadline = float("inf")
        self._thread: Final = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many events were lost so far: too many waited, the sink refused them, or the process ended."""
        return self._lost

    @property
    def trouble(self) -> str:
        """Why the sink takes nothing, for longer than a moment; empty while it works or has not been tried."""
        newest = self._newest
        return self._trouble if newest.number == self._number else newest.trouble

    @property
    def waiting(self) -> int:
        """How many lines have yet to reach the sink."""
        return self._taken - self._done

    def write(self, line: Line) -> None:
        """Takes one line with its line end; never blocks, never raises."""
        size = len(line)
        if self._is_full:
            if not self._has_room_again():
                self._lose(1)
                return
            self._is_full = False
        if self._taken - self._done >= MOST_LINES or self._taken_bytes - self._done_bytes + size > MOST_BYTES:
            self._is_full = True
            log_event(self._logger, logging.ERROR, "audit sink does not keep up; events are lost")
            self._lose(1)
            return
        if self._untold and (told := self._take_loss()):
            self._append(told, len(told))
        self._append(line, size)

    def switch(self, sink: Sink | None, trouble: str = "", place: str = "") -> None:
        """Has the lines from here on go to another sink, or nowhere; never blocks.

        `trouble` is what is known to keep that one from taking any.
        """
        self._newest = _Switch(self._newest.number + 1, sink, trouble, place)
        self._lines.append(self._newest)
        self._wake.set()

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Takes no more, and sends what waits for at most `timeout` seconds; what is left counts as lost."""
        self._deadline = time.monotonic() + timeout
        self._is_full = True
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout + _GRACE_SECONDS)
        if self._thread.is_alive():
            # It is stuck in the sink: whether what it was writing gets there nobody will know.
            self._give_up("audit sink is stuck at the end; events are lost")

    def _give_up(self, message: str) -> None:
        """Counts and tells what still waits as lost, once: a sink that was stuck may come back after `close`."""
        with self._lock:
            left = 0 if self._gave_up else self.waiting
            self._gave_up = True
        if left:
            self._lose(left)
            log_event(self._logger, logging.ERROR, message, lost=left)

    def _append(self, line: Line, size: int) -> None:
        self._taken += 1
        self._taken_bytes += size
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def _has_room_again(self) -> bool:
        if self._closing.is_set():
            return False
        lines, size = self._taken - self._done, self._taken_bytes - self._done_bytes
        return lines <= MOST_LINES * 7 // 8 and size <= MOST_BYTES * 7 // 8

    def _lose(self, count: int) -> None:
        with self._lock:
            if not self._untold:
                self._lost_since = datetime.now(UTC)
            self._lost += count
            self._untold += count

    def _take_loss(self) -> "_Loss | None":
        """The line about what was lost since the last such line."""
        with self._lock:
            count, self._untold = self._untold, 0
            line = _Loss(self._loss_line(count, self._lost_since))
            line.told = count
            return line if count else None

    def _run(self) -> None:
        is_closing = False
        while not is_closing:
            self._wake.wait()
            is_closing = self._closing.wait(_GATHER_SECONDS)
            self._wake.clear()
            while self._lines:
                if not self._deliver(self._next_batch()):
                    is_closing = True
                    break
            else:
                # Perhaps nothing comes any more that the loss could be told with.
                if self._untold and self._sink is not None and (is_closing or not self._refuses):
                    self._tell_loss()
        self._log_refused(at_once=True)
        self._give_up("audit sink is away at the end; events are lost")
        self._forget(self.waiting, self._taken_bytes - self._done_bytes)
        self._take_over(_Switch(self._newest.number + 1, None))

    def _tell_loss(self) -> None:
        if told := self._take_loss():
            self._deliver([(told, 0)])

    def _next_batch(self) -> list[tuple[bytes, int]]:
        """The next lines for one sink, made, each with the size that it was taken with."""
        batch: list[tuple[bytes, int]] = []
        size = 0
        while self._lines and len(batch) < _BATCH_LINES and size < _BATCH_BYTES:
            line = self._lines[0]
            if isinstance(line, _Switch):
                if batch:
                    break
                self._lines.popleft()
                self._take_over(line)
                continue
            self._lines.popleft()
            taken = len(line)
            try:
                made = line if isinstance(line, bytes) else line.encode()
            except Exception as error:  # noqa: BLE001 - one line that cannot be written must not end all audit
                log_event(self._logger, logging.ERROR, "audit event cannot be written", error=error)
                self._lose(1)
                self._forget(1, taken)
                continue
            batch.append((made, taken))
            size += len(made)
        return batch

    def _take_over(self, switch: _Switch) -> None:
        """Goes on with another sink, unless one that came after it has been taken already."""
        former = switch.sink
        if switch.number > self._number:
            former, self._sink, self._trouble = self._sink, switch.sink, switch.trouble
            self._number, self._place = switch.number, switch.place
            self._failing_since = None
            self._away_logged = False
        if former is not None and former is not self._sink:
            try:
                former.close()
            except Exception as error:  # noqa: BLE001 - as above
                log_event(self._logger, logging.ERROR, "audit sink cannot be closed", error=error)

    def _deliver(self, batch: list[tuple[bytes, int]]) -> bool:
        """Sends a batch, however often it has to be tried; False once the time is up."""
        pause = _FIRST_PAUSE
        while batch:
            if self._failing_since is not None and self._newest.number > self._number and _is_past(self._newest.until):
                self._take_over(self._newest)
            sent, refused, asked = len(batch), 0, None
            try:
                refused = len(batch) if self._sink is None else self._sink.send([line for line, _ in batch])
                self._works()
            except SinkAwayError as away:
                sent, refused, asked = away.sent, away.refused, away.retry_after
                self._fails(away.reason)
            except OSError as error:
                sent = 0
                self._fails(error.strerror or type(error).__name__)
            except Exception as error:  # noqa: BLE001 - as above; these lines might fail for ever
                refused = len(batch)
                log_event(self._logger, logging.ERROR, "audit sink crashed; events are lost", error=error)
            self._refuse(refused, [line for line, _ in batch])
            self._forget(sum(taken > 0 for _, taken in batch[:sent]), sum(taken for _, taken in batch[:sent]))
            del batch[:sent]
            if batch:
                pause = _FIRST_PAUSE if sent else pause
                if not self._rest(pause if asked is None else min(max(asked, pause), _MOST_ASKED)):
                    return False
                pause = min(pause * 2, _LONGEST_PAUSE)
        return True

    def _refuse(self, count: int, lines: list[bytes]) -> None:
        """Counts what will never be taken of some lines: events first, for nobody says which they are."""
        losses = [line for line in lines if isinstance(line, _Loss)]
        self._refuses = count > 0 and count >= len(lines) - len(losses)
        if count >= len(lines):
            # What they told is still to be told.
            with self._lock:
                self._untold += sum(line.told for line in losses)
        if count := min(count, len(lines) - len(losses)):
            self._lose(count)
            self._refused += count
        self._log_refused()

    def _log_refused(self, *, at_once: bool = False) -> None:
        """Logs how many were refused since it last did, at most once a minute unless `at_once`."""
        now = time.monotonic()
        if self._refused and (at_once or now >= self._refused_next):
            log_event(self._logger, logging.ERROR, "audit sink refuses events; they are lost", count=self._refused)
            self._refused = 0
            self._refused_next = now + _REFUSED_SECONDS

    def _rest(self, seconds: float) -> bool:
        """Waits before the next attempt; False where there may be none."""
        if self._newest.number > self._number:
            # Another sink waits for this one to be done.
            seconds = min(seconds, _FIRST_PAUSE * 5)
        if not self._closing.wait(seconds * random.uniform(0.8, 1.2)):  # noqa: S311 - spreads attempts of many pods
            return True
        left = self._deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, _FIRST_PAUSE))
        return True

    def _forget(self, count: int, size: int) -> None:
        self._done += count
        self._done_bytes += size

    def _fails(self, reason: str) -> None:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        elif not self._away_logged and now - self._failing_since >= _AWAY_SECONDS:
            self._away_logged = True
            self._trouble = reason
            log_event(
                self._logger,
                logging.ERROR,
                "audit sink is away; events wait",
                reason=reason,
                **({"address": self._place} if self._place else {}),
                waiting=self.waiting,
                at_most=MOST_LINES,
            )

    def _works(self) -> None:
        if self._away_logged:
            log_event(self._logger, logging.WARNING, "audit sink works again", lost=self._lost)
        self._failing_since = None
        self._away_logged = False
        self._trouble = ""


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment
