"""One request to a collector, tried again while its time lasts (OTLP specification 1.9, "Failures")."""

import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import requests

from vmcp_proxy.observability.otlp.session import OtlpSession

_PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may be taken."""

_MOST_TRIES: Final = 6
_FIRST_PAUSE: Final = 1.0
_SPREAD: Final = 0.2
"""By how much a pause may differ, so that many proxies do not come back at once."""


def deliver(
    session: OtlpSession, url: str, body: bytes, headers: Mapping[str, str], timeout: float, ending: threading.Event
) -> bool:
    """Whether the collector has taken it, within `timeout` seconds in all; it blocks.

    What passes is tried again, with pauses that double or are as long as the collector asks for; not once `ending`
    is set. What is wrong, and what the collector said, stands in the session.
    """
    until = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    for _ in range(_MOST_TRIES):
        wait = pause * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
        try:
            answer = _post(session, url, body, headers, until)
        except requests.ConnectionError:
            pass
        except requests.RequestException:
            return False
        else:
            if answer.ok:
                return True
            if answer.status_code not in _PASSING:
                return False
            asked = pause_of(answer.headers.get("Retry-After"))
            wait = wait if asked is None else asked
        if not wait <= until - time.monotonic() or ending.wait(wait):
            return False
        pause *= 2
    return False


def _post(session: OtlpSession, url: str, body: bytes, headers: Mapping[str, str], until: float) -> requests.Response:
    def once() -> requests.Response:
        left = max(until - time.monotonic(), 0.001)
        return session.post(url, data=body, headers=headers, timeout=left, allow_redirects=False)

    try:
        return once()
    except requests.ConnectTimeout:
        raise
    except requests.ConnectionError:
        if until <= time.monotonic():
            raise
        # A connection that was kept, and that the collector has closed meanwhile.
        return once()


def pause_of(text: str | None) -> float | None:
    """What `Retry-After` asks for, in seconds; None where it says nothing that makes sense."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
