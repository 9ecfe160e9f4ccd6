"""The one session that all clients of a backend share, started in a task of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category


class Living(Protocol):
    """A session that may have ended."""

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""


SessionT = TypeVar("SessionT", bound=Living)


class SharedSession(Generic[SessionT]):
    """Starts a session where there is none that lives; a caller waits for it as long as `patience`, in seconds.

    A caller that cannot wait longer does not keep it from coming up. `pending` says what has been heard of it by then.
    """

    def __init__(
        self,
        backend: str,
        start: Callable[[], Awaitable[SessionT]],
        pending: Callable[[], str],
        patience: float,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._backend = backend
        self._start = start
        self._pending = pending
        self._patience = patience
        self._tasks = tasks
        self._session: SessionT | None = None
        self._starting: asyncio.Task[SessionT | BackendError] | None = None

    @property
    def living(self) -> SessionT | None:
        """The session, where it has come up and lives."""
        return self._session if self._session is not None and self._session.is_alive else None

    @property
    def is_starting(self) -> bool:
        """Whether one is coming up."""
        return self._starting is not None

    async def get(self, deadline: Deadline) -> SessionT:
        """The session.

        Raises:
            BackendError: it has not come up in time, or cannot.
        """
        if living := self.living:
            return living
        starting = self.begin()
        wait = min(deadline.at - asyncio.get_running_loop().time(), self._patience)
        await asyncio.wait((starting,), timeout=max(wait, 0.0))
        if not starting.done():
            raise BackendError(self._backend, Category.TIMEOUT, self._pending())
        if starting.cancelled():
            raise BackendError(self._backend, Category.NOT_RUNNING)
        outcome = starting.result()
        if isinstance(outcome, BackendError):
            raise outcome
        return outcome

    def begin(self) -> asyncio.Task[SessionT | BackendError]:
        """Starts one in its task, or finds the task that does."""
        if self._starting is None:
            self._starting = self._tasks.create_task(self._run(), name=f"start {self._backend}")
        return self._starting

    async def cancel(self) -> None:
        """Ends a start that goes on."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait((self._starting,))

    async def _run(self) -> SessionT | BackendError:
        try:
            self._session = await self._start()
        except BackendError as error:
            return error
        else:
            return self._session
        finally:
            self._starting = None
