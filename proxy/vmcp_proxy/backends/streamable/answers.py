"""The answers that a session waits for, on whichever of its streams they come, as SDK clients take them."""

import asyncio

from vmcp_proxy.backends.messages import number_of
from vmcp_proxy.protocol.jsonrpc import Response


class Wait:
    """One request that waits in the current task; `answer` is what came on another stream than its own.

    It does what `asyncio.timeout` would, which costs every call two frames and a registration more.
    """

    __slots__ = ("_is_cancelling", "_task", "answer")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._is_cancelling = False
        self.answer: Response | None = None

    def take(self, answer: Response) -> None:
        """Ends the reading of the request's own response; the first answer counts."""
        if self.answer is None and self._task is not None:
            self.answer = answer
            self._is_cancelling = True
            self._task.cancel()

    def over(self) -> bool:
        """Takes the cancellation back that an answer has brought, once; whether there is no other."""
        if not self._is_cancelling or self._task is None:
            return False
        self._is_cancelling = False
        return self._task.uncancel() == 0


class Answers:
    """The waits of one session by request id."""

    __slots__ = ("_waits",)

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}

    def __repr__(self) -> str:
        return f"<Answers awaited={len(self._waits)}>"

    def begin(self, request_id: int) -> Wait:
        """Notes a request of the current task; `end` follows."""
        wait = self._waits[request_id] = Wait()
        return wait

    def end(self, request_id: int) -> None:
        """Forgets a request."""
        wait = self._waits.pop(request_id, None)
        if wait is not None and wait.answer is not None:
            wait.over()

    def take(self, answer: Response) -> None:
        """Ends the wait for an answer that came on another stream than that of its request; the first one counts."""
        number = number_of(answer.id)
        wait = None if number is None else self._waits.get(number)
        if wait is not None:
            wait.take(answer)
