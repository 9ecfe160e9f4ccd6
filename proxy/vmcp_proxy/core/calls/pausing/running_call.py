"""A call of the core that may ask its client something: it runs by itself, and whoever serves it hears what comes next.

A client without a session cannot be asked on the stream of its request: the request ends with what is asked, and the
client's next one brings the answers (ADR-0061). So the call outlives the request that began it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from vmcp_proxy.backends.errors import Category
from vmcp_proxy.core.outcomes import Reply, Unavailable
from vmcp_proxy.protocol.modern.input_required import Question

TOGETHER_SECONDS: Final = 0.02
"""How long others are waited for once one question is there: what is asked at once is answered at once."""

MOST_OPEN: Final = 32
"""Questions of one call that may wait for its client."""

OnAnswer: TypeAlias = Callable[[msgspec.Raw], Awaitable[None]]
"""Takes the client's answer: the result of what it was asked, a JSON object."""

Work: TypeAlias = Callable[[], Coroutine[Any, Any, Reply]]
"""Makes the call."""

_GONE: Final = Unavailable("", Category.ENDED.value, "The call was ended before it had an answer.")


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The call is over."""

    reply: Reply


class Asked(msgspec.Struct, frozen=True, gc=False):
    """The call waits for all of these."""

    questions: tuple[Question, ...]


class RunningCall:
    """The call and the questions that it has open; `work` is begun with it and may ask from then on.

    Whoever gives it up cancels it. `on_done` hears once that it is over, however.
    """

    def __init__(self, on_done: Callable[["RunningCall"], None] = lambda _call: None) -> None:
        self.on_done = on_done
        self._open: Final[dict[str, tuple[Question, OnAnswer]]] = {}
        self._last = 0
        self._changed: Final = asyncio.Event()
        self._over: Final = asyncio.Event()
        self._outcome: Reply | Exception = _GONE
        self._task: asyncio.Task[None] | None = None

    def begin(self, tasks: asyncio.TaskGroup, work: Work, name: str) -> None:
        """Runs the work in a task of its own; an error of it is raised by `next`, not by the group."""
        self._task = tasks.create_task(self._run(work), name=name)
        # A task that is cancelled before it has begun never comes to its end.
        self._task.add_done_callback(self._ended)

    @property
    def is_over(self) -> bool:
        """Whether there is an answer, or never will be one."""
        return self._over.is_set()

    @property
    def reply(self) -> Reply | None:
        """The answer; None before there is one, and where there never will be."""
        return self._outcome if self._over.is_set() and not isinstance(self._outcome, Exception) else None

    @property
    def open(self) -> tuple[str, ...]:
        """The keys of the questions that wait for the client."""
        return tuple(self._open)

    async def next(self) -> Answered | Asked:
        """What comes next, the answer or questions; each call of it waits anew.

        Raises:
            Exception: whatever the work has raised.
        """
        while not self._over.is_set():
            if self._open:
                await self._wait_for_others()
                if self._open and not self._over.is_set():
                    return Asked(tuple(question for question, _ in self._open.values()))
            else:
                self._changed.clear()
                await self._changed.wait()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return Answered(self._outcome)

    def ask(self, method: str, params: msgspec.Raw | None, on_answer: OnAnswer) -> str | None:
        """Opens a question; its key, or None where too many are open."""
        if len(self._open) >= MOST_OPEN:
            return None
        self._last += 1
        key = f"q{self._last}"
        self._open[key] = Question(key, method, params), on_answer
        self._changed.set()
        return key

    def withdraw(self, key: str) -> None:
        """Takes a question back, unless it was answered."""
        self._open.pop(key, None)

    async def answer(self, answers: Mapping[str, msgspec.Raw]) -> None:
        """Gives answers to whoever asked; what nobody asks any more is dropped."""
        for key, raw in answers.items():
            opened = self._open.pop(key, None)
            if opened is not None:
                await opened[1](raw)

    def cancel(self) -> None:
        """Ends the call: nobody waits for it any more."""
        if self._task is not None:
            self._task.cancel()

    async def _wait_for_others(self) -> None:
        try:
            async with asyncio.timeout(TOGETHER_SECONDS):
                await self._over.wait()
        except TimeoutError:
            return

    async def _run(self, work: Work) -> None:
        try:
            self._outcome = await work()
        except Exception as error:  # noqa: BLE001 - it is raised to whoever serves the call
            self._outcome = error

    def _ended(self, _task: "asyncio.Task[None]") -> None:
        self._open.clear()
        self._over.set()
        self._changed.set()
        self.on_done(self)
