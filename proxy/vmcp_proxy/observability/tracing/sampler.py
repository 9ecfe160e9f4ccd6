"""Which traces are recorded: those that the client records, and a share of those that begin here; pure."""

from typing import Final

_ALL: Final = 1 << 64


class Sampler:
    """`ParentBased(TraceIdRatioBased(ratio))` of the OpenTelemetry specification, on the trace id alone.

    Whoever samples by the same share and the same id, in another process too, decides alike.
    """

    __slots__ = ("_bound",)

    def __init__(self, ratio: float) -> None:
        self._bound: Final = round(ratio * _ALL)

    def takes(self, low: int) -> bool:
        """Whether a trace that begins here is recorded; `low` are the low 64 bits of its id."""
        return low < self._bound
