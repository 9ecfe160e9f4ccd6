"""Why a model gave no vectors."""

from enum import Enum


class Fault(Enum):
    """What is to be done about it."""

    AWAY = "away"
    """Leave it alone for a while."""
    SLOW = "slow"
    """Ask for less at once, then leave it alone for a while."""
    REFUSED = "refused"
    """The texts may be why: ask for others."""


class EmbeddingsError(Exception):
    """No vectors; `reason` is fit for users and holds no URL, no secret, no text and nothing of the answer.

    `retry_after` is the pause that the server asks for, in seconds; 0 for none.
    """

    def __init__(self, reason: str, fault: Fault = Fault.AWAY, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fault = fault
        self.retry_after = retry_after
