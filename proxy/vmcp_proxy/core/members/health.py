"""What is known of a backend's health: fed by probes and by real calls alike, without a clock or I/O."""

import re
from typing import Final

from vmcp_api.pod_status import Health
from vmcp_proxy.backends.errors import SAID, Category

_NUMBER: Final = re.compile(r"[0-9]+")


class HealthTracker:
    """Counts failures in a row; `threshold` of them make a backend unhealthy, one success heals it.

    Refused credentials show at once as `unauthenticated`: the backend is up and may serve other callers.
    `turns` counts how often it became unhealthy or ceased to be: what was learned before the last turn is old.
    """

    __slots__ = ("_failures", "_message", "_state", "category", "threshold", "told", "turns")

    def __init__(self, threshold: int) -> None:
        self.threshold = threshold
        self.turns = 0
        self.category = Category.UNREACHABLE
        """That of the last failure."""
        self.told = ""
        """What operators are shown beside `message`, which clients see too; empty while healthy."""
        self._failures = 0
        self._state = Health.UNKNOWN
        self._message = ""

    def __repr__(self) -> str:
        return f"<HealthTracker {self._state} failures={self._failures}>"

    @property
    def state(self) -> Health:
        """The present state."""
        return self._state

    @property
    def is_down(self) -> bool:
        """Whether it counts as unhealthy."""
        return self._state is Health.UNHEALTHY

    @property
    def message(self) -> str:
        """What the last failure said; empty while healthy."""
        return self._message

    def succeeded(self) -> bool:
        """Counts an answer; True where the state changed."""
        before = self._state
        if before is Health.HEALTHY:
            return False
        self._failures = 0
        self._message = self.told = ""
        self._become(Health.HEALTHY)
        return True

    def failed(self, category: Category, message: str, told: str = "") -> bool:
        """Counts a failure; True where the state or what is said of it changed. `told` is the message for operators.

        What lies with the caller, or with one answer, says nothing of the backend.
        """
        if category in (Category.HEADERS, Category.TOO_LARGE, Category.ENDED, Category.FULL):
            return False
        before = (self._state, self._message, self.told)
        told = told or message
        if _without_numbers(told) != _without_numbers(self.told):
            self._message, self.told = message, told
        self.category = category
        if category in (Category.AUTH, Category.CREDENTIALS):
            self._become(Health.UNAUTHENTICATED)
        else:
            self._failures += 1
            down = self._failures >= self.threshold or self._state in (Health.UNKNOWN, Health.UNHEALTHY)
            self._become(Health.UNHEALTHY if down else Health.DEGRADED)
        return before != (self._state, self._message, self.told)

    def given_up(self) -> None:
        """Notes that the backend is not asked any more for now, whatever its threshold is."""
        self._become(Health.UNHEALTHY)

    def _become(self, state: Health) -> None:
        self.turns += (state is Health.UNHEALTHY) is not (self._state is Health.UNHEALTHY)
        self._state = state


def _without_numbers(message: str) -> str:
    """What makes a message another one: the times and process numbers in a program's last lines do not."""
    ours, said, theirs = message.partition(SAID)
    return ours + said + _NUMBER.sub("0", theirs)
