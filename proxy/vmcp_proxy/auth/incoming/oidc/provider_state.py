"""What is told of the issuer of the callers' tokens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderState:
    """Whether the issuer was reached when it was last asked (None: not yet), and what is wrong where it was not."""

    is_reached: bool | None = None
    message: str = ""
