"""Says why tokens are refused: to who runs the endpoint, now and then, and never to who bears them."""

import logging
import time
from typing import Any, Final

import jwt

from vmcp_api.spec.incoming import OidcSettings
from vmcp_proxy.auth.incoming.oidc.signature import Flaw
from vmcp_proxy.observability.logs import log_event

logger: Final = logging.getLogger("vmcp.auth")

QUIET_SECONDS: Final = 60.0
"""One line for each reason in so many seconds, however many tokens come."""

_MOST_SHOWN: Final = 256

_COMPARED: Final = {Flaw.ISSUER: "iss", Flaw.AUDIENCE: "aud"}
"""What is wrong with the settings as often as with the token: the log shows both sides."""


class RefusalLog:
    """One line for each reason and minute, with how many were refused for it since the last."""

    def __init__(self, settings: OidcSettings) -> None:
        self._expected: Final = {"iss": settings.issuer, "aud": settings.audience}
        self._told: Final[dict[str, float]] = {}
        self._silent: Final[dict[str, int]] = {}

    def refused(self, flaw: Flaw, token: bytes) -> None:
        """Notes a token that is no good."""
        if (others := self._due(flaw.value)) is None:
            return
        facts: dict[str, Any] = {"reason": flaw.value}
        if (claim := _COMPARED.get(flaw)) is not None:
            facts |= {"expected": self._expected[claim], "came": _shown(token, claim)}
        log_event(logger, logging.INFO, "token refused", **facts, **_counted(others))

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


def _shown(token: bytes, claim: str) -> str:
    """What a token says there; of an opaque one nothing is known here any more."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return ""
    return str(claims.get(claim, ""))[:_MOST_SHOWN]
