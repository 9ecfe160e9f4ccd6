"""Which traces are recorded: those that the client records, and a share of those that begin here; pure."""

from collections.abc import Callable
from typing import Final

_ALL: Final = 1 << 64


class Sampler:
    """`ParentBased(TraceIdRatioBased(ratio))` of the OpenTelemetry specification, on the trace id alone.

    Whoever samples by the same share and the same id, in another process too, decides alike.
    """

    __slots__ = ("takes",)

    def __init__(self, ratio: float) -> None:
        # The comparison itself, without a frame: every request asks.
        self.takes: Final[Callable[[int], bool]] = round(ratio * _ALL).__gt__
        """Whether a trace that begins here is recorded, by the low 64 bits of its id."""
