"""Whether a process has stopped answering for good: it was initialised, and then its input ended or it hangs."""

from typing import Final


class Silence:
    """What was asked of a process and not answered, and since when it says nothing; times are loop times, in seconds.

    It is silent only while it is read: what it writes is left to wait where clients do not read what they have.

    Questions are what any server answers at once, such as `ping` and the lists; calls have work done. MCP lets a peer
    that leaves a ping unanswered be taken for dead ("Ping", Implementation Considerations). A process of one thread
    answers none while it works on a call, so that whoever called before the first unanswered question is waited for;
    clients that have called since then wait in vain either way.
    """

    def __init__(self, bound: float) -> None:
        self.bound: Final = bound
        self._first: float | None = None
        """When the first question was asked that has no answer; also where nobody waits for that any more."""
        self._since = 0.0
        self._is_read = False
        self._questions: Final[dict[int, float]] = {}
        self._calls: Final[dict[int, float]] = {}

    def listens(self, now: float) -> None:
        """What the process says is read from now on: it could not say more before."""
        self._is_read = True
        self._since = now

    def heard(self) -> None:
        """The process has said something, and be it a part of a line; until `listens` it is not read."""
        self._is_read = False
        self._first = next(iter(self._questions.values()), None)

    def asked(self, number: int, now: float) -> None:
        """A question begins to wait for its answer."""
        self._questions[number] = now
        if self._first is None:
            self._first = self._since = now

    def called(self, number: int, now: float) -> None:
        """A call begins to wait for its answer."""
        self._calls[number] = now

    def answered(self, number: int) -> None:
        """A request has its answer."""
        self.over(number)
        self._first = next(iter(self._questions.values()), None)

    def over(self, number: int) -> None:
        """Nobody waits for the answer to a request any more."""
        self._calls.pop(number, None)
        self._questions.pop(number, None)

    def is_final(self, now: float) -> bool:
        """Whether it has left a question for the bound without a word, and no call from before that waits."""
        first = self._first
        if first is None or not self._is_read or now - self._since < self.bound:
            return False
        return all(began > first for began in self._calls.values())
