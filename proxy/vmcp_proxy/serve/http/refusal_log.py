"""The refusals of one listener: each is counted, few are logged."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.serve.http.refusals import HttpRefusal

LOG_SECONDS: Final = 60.0
"""Anybody may be refused as often as they like: of each status one is logged in this time."""


class RefusalLog:
    """Hands each status to `count`, and logs at warning; `now` is a clock in seconds that only goes forward."""

    def __init__(
        self, logger: logging.Logger, count: Callable[[int], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger: Final = logger
        self._count: Final = count
        self._now: Final = now
        self._logged: Final[dict[HTTPStatus, float]] = {}
        self._unlogged: Final[dict[HTTPStatus, int]] = {}

    def note(self, refusal: HttpRefusal, address: str) -> None:
        """Takes one refusal; `address` is the other end's, without a port."""
        status, now = refusal.status, self._now()
        self._count(status)
        if now - self._logged.get(status, float("-inf")) < LOG_SECONDS:
            self._unlogged[status] = self._unlogged.get(status, 0) + 1
            return
        self._logged[status] = now
        log_event(
            self._logger,
            logging.WARNING,
            "HTTP request refused",
            status=int(status),
            reason=refusal.text,
            client=address,
            unlogged_before=self._unlogged.pop(status, 0),
        )
