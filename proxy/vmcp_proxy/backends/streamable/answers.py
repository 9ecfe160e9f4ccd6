"""The answers that a session waits for, on whichever of its streams they come, as SDK clients take them."""

import asyncio

from vmcp_proxy.backends.messages import number_of
from vmcp_proxy.protocol.jsonrpc import Response


class Wait:
    """One request that waits; `scope` surrounds the reading of its own response and ends with the answer."""

    __slots__ = ("answer", "scope")

    def __init__(self) -> None:
        self.scope = asyncio.timeout(None)
        self.answer: Response | None = None


class Answers:
    """The waits of one session by request id."""

    __slots__ = ("_waits",)

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}

    def __repr__(self) -> str:
        return f"<Answers awaited={len(self._waits)}>"

    def begin(self, request_id: int) -> Wait:
        """Notes a request; `end` follows."""
        wait = self._waits[request_id] = Wait()
        return wait

    def end(self, request_id: int) -> None:
        """Forgets a request."""
        self._waits.pop(request_id, None)

    def take(self, answer: Response) -> None:
        """Ends the wait for an answer that came on another stream than that of its request; the first one counts."""
        number = number_of(answer.id)
        wait = None if number is None else self._waits.get(number)
        if wait is not None and wait.answer is None:
            wait.answer = answer
            wait.scope.reschedule(asyncio.get_running_loop().time())
