"""What a proxy tells of its server of embeddings."""

from enum import StrEnum

import msgspec


class Condition(StrEnum):
    """Whether searches are ranked with the model."""

    READY = "ready"
    PREPARING = "preparing"
    """Vectors of tools are still asked for."""
    AWAY = "away"
    """The last request brought none; it is asked again after a pause."""
    FULL = "full"
    """There are more tools than vectors that are kept."""


class EmbeddingsState(msgspec.Struct, frozen=True):
    """The condition, why it is so (empty where it is well), and how many tools have vectors and wait for them."""

    condition: Condition
    reason: str
    known: int
    waiting: int

    @property
    def trouble(self) -> str:
        """Why searches are ranked without the model; empty where they are not."""
        if self.condition is Condition.FULL:
            return "there are more tools than vectors that are kept"
        return self.reason
