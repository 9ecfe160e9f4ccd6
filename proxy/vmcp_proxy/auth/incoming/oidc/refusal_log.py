"""Says why tokens are refused: to who runs the endpoint, now and then, and never to who bears them."""

import logging
import time
from collections.abc import Collection
from typing import Any, Final

from vmcp_api.spec.incoming import OidcSettings
from vmcp_proxy.auth.incoming.oidc.flaw import COMPARED, Refused
from vmcp_proxy.observability.logs import log_event

logger: Final = logging.getLogger("vmcp.auth")

QUIET_SECONDS: Final = 60.0
"""One line for each reason in so many seconds, however many tokens come."""

_MOST_SHOWN: Final = 256
_LACKING: Final = "it lacks a scope: have clients ask for it, and the provider say it in scope or scp"


class RefusalLog:
    """One line for each reason and minute, with how many were refused for it since the last."""

    def __init__(self, settings: OidcSettings) -> None:
        self._expected: Final = {"iss": settings.issuer, "aud": settings.audience}
        self._required: Final = " ".join(settings.scopes)
        self._told: Final[dict[str, float]] = {}
        self._silent: Final[dict[str, int]] = {}

    def refused(self, refused: Refused) -> None:
        """Notes a token that is no good."""
        reason = refused.flaw.value
        if (others := self._due(reason)) is None:
            return
        facts: dict[str, Any] = {"reason": reason}
        if (claim := COMPARED.get(refused.flaw)) is not None:
            facts |= {"expected": self._expected[claim]}
        if claim is not None or refused.came:
            facts |= {"came": refused.came}
        log_event(logger, logging.INFO, "token refused", **facts, **_counted(others))

    def lacking(self, held: Collection[str]) -> None:
        """Notes a good token that lacks a scope."""
        if (others := self._due(_LACKING)) is not None:
            facts = {"expected": self._required, "came": " ".join(sorted(held))[:_MOST_SHOWN]}
            log_event(logger, logging.INFO, "token refused", reason=_LACKING, **facts, **_counted(others))

    def unjudged(self, reason: str) -> None:
        """Notes a token that nobody could judge."""
        if (others := self._due(reason)) is not None:
            log_event(logger, logging.WARNING, "token could not be checked", reason=reason, **_counted(others))

    def _due(self, reason: str) -> int | None:
        """How many were not told since the last line, where one is due."""
        now = time.monotonic()
        if now - self._told.get(reason, float("-inf")) < QUIET_SECONDS:
            self._silent[reason] = self._silent.get(reason, 0) + 1
            return None
        self._told[reason] = now
        return self._silent.pop(reason, 0)


def _counted(others: int) -> dict[str, int]:
    return {"others": others} if others else {}
