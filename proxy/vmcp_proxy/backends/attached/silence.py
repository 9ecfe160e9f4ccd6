"""Whether a process has stopped to answer for good: it was initialised, and then its input ended or it hangs."""

from typing import Final


class Silence:
    """What was asked of a process since it said something last; all times are loop times, in seconds.

    MCP lets a peer that leaves a ping unanswered be taken for dead ("Ping", Implementation Considerations). A process
    of one thread answers none while it works on a call, so that whoever called before the first unanswered question
    is waited for; clients that have called since then wait in vain either way.
    """

    def __init__(self, bound: float) -> None:
        self._bound: Final = bound
        self._since: float | None = None
        self._calls: Final[dict[int, float]] = {}

    def heard(self) -> None:
        """The process has said something, whatever it is."""
        self._since = None

    def asked(self, now: float) -> None:
        """We ask something on nobody's behalf, such as whether it is there."""
        if self._since is None:
            self._since = now

    def called(self, number: int, now: float) -> None:
        """A client's request begins to wait for its answer."""
        self._calls[number] = now

    def over(self, number: int) -> None:
        """A client's request has been answered, or given up."""
        self._calls.pop(number, None)

    def is_final(self, now: float) -> bool:
        """Whether it has said nothing for the bound since we asked, and no client waits for what came before that."""
        since = self._since
        if since is None or now - since < self._bound:
            return False
        return all(began > since for began in self._calls.values())
