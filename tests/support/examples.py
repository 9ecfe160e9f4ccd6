"""How many generated examples a test tries."""

from typing import Final

from hypothesis import settings

_THOROUGH: Final = 100
"""What the profile of `make fuzz` says; the everyday profile says less (`conftest.py`)."""


def examples(thorough: int) -> int:
    """How many this run tries where a thorough one tries so many."""
    return max(1, thorough * settings().max_examples // _THOROUGH)
