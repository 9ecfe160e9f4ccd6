"""A queue in front of a sink that a test steers, and what it makes of lines."""

import contextlib
import json
import logging
import threading

from vmcp_proxy.observability.audit import encode_loss
from vmcp_proxy.observability.audit.queue import AuditQueue
from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError

LOGGER = logging.getLogger("tests.audit")
SECONDS = 30.0


def loss_line(count, since):
    return encode_loss("default/demo", count, since)


@contextlib.contextmanager
def queued(sink, *, close=SECONDS):
    """A queue for the block; it has sent everything afterwards."""
    queue = AuditQueue(sink, LOGGER, loss_line)
    try:
        yield queue
    finally:
        queue.close(close)


def lines(numbers):
    return [b'{"n":%d}\n' % number for number in numbers]


def numbers_in(data):
    """The numbers of `lines`, and how many the lines in between say were lost, in their order."""
    found = [json.loads(line) for line in data.splitlines()]
    return [each["n"] if "n" in each else f"lost {each['lost']}" for each in found]


class SteeredSink:
    """Keeps what it takes; `away` makes it refuse for now, `refuses` for ever; tells of each attempt."""

    def __init__(self):
        self.away = None
        self.refuses = False
        self.takes = None
        self.attempts = threading.Semaphore(0)
        self.taken = []
        self.closed = 0

    def send(self, lines):
        try:
            if self.away is not None:
                raise SinkAwayError(self.away) if isinstance(self.away, str) else self.away
            if self.refuses:
                return len(lines)
            part = lines if self.takes is None else lines[: self.takes]
            self.taken += part
            if len(part) < len(lines):
                raise SinkAwayError("slow", sent=len(part))
            return 0
        finally:
            self.attempts.release()

    def close(self):
        self.closed += 1

    @property
    def numbers(self):
        return numbers_in(b"".join(self.taken))

    def attempted(self):
        assert self.attempts.acquire(timeout=SECONDS)
