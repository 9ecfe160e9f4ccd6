"""What the streams towards clients share in one process: their numbers, their ids and the bytes they may hold."""

import itertools
import secrets
from collections.abc import Hashable
from typing import Final

from vmcp_proxy.clients.streaming.event_log import Budget, EventLog
from vmcp_proxy.clients.streaming.outbox import Outbox
from vmcp_proxy.protocol.event_ids import EventId, encode_prefix


class Replay:
    """Makes streams; `pod` tells this process' ids from those of every other one."""

    __slots__ = ("_numbers", "_pod", "budget")

    def __init__(self, budget: Budget | None = None) -> None:
        self._pod: Final = secrets.token_hex(4).encode()
        self._numbers: Final = itertools.count(1)
        self.budget: Final = budget or Budget()

    def outbox(self, session: Hashable) -> Outbox:
        """The stream of a session that begins to have something to say."""
        number = next(self._numbers)
        return Outbox(number, encode_prefix(self._pod, number), EventLog(self.budget, session))

    def answer(self, session: Hashable, request: bytes) -> tuple[int, bytes, EventLog]:
        """The number, the prefix of ids and the log of the stream that answers a request of a session."""
        number = next(self._numbers)
        return number, encode_prefix(self._pod, number, request), EventLog(self.budget, session)

    def is_own(self, seen: EventId) -> bool:
        """Whether an id was given out by this process."""
        return seen.pod == self._pod
