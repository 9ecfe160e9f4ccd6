"""Whether a process has stopped to answer for good: it was initialised, and then its input ended or it hangs."""

from typing import Final


class Silence:
    """What was asked of a process since it said something last; all times are loop times, in seconds.

    Questions are what any server answers at once, such as `ping` and the lists; calls have work done. MCP lets a peer
    that leaves a ping unanswered be taken for dead ("Ping", Implementation Considerations). A process of one thread
    answers none while it works on a call, so that whoever called before the first unanswered question is waited for;
    clients that have called since then wait in vain either way.
    """

    def __init__(self, bound: float) -> None:
        self.bound: Final = bound
        self._since: float | None = None
        self._calls: Final[dict[int, float]] = {}

    def heard(self) -> None:
        """The process has said something, whatever it is."""
        self._since = None

    def asked(self, now: float) -> None:
        """A question is asked."""
        if self._since is None:
            self._since = now

    def called(self, number: int, now: float) -> None:
        """A call begins to wait for its answer."""
        self._calls[number] = now

    def over(self, number: int) -> None:
        """A request has been answered, or given up."""
        self._calls.pop(number, None)

    def is_final(self, now: float) -> bool:
        """Whether it has said nothing for the bound since it was asked, and no call from before that waits."""
        since = self._since
        if since is None or now - since < self.bound:
            return False
        return all(began > since for began in self._calls.values())
