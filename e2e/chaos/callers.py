"""Real clients that call tools all the time, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from e2e.chaos.faults import Fault
from e2e.support.clients import call, connected, tool_names

CALL_SECONDS = 45.0
CALLS_OF_A_SESSION = 20
PAUSE_SECONDS = 0.1
WELL = 5
"""Calls in a row that a client has to see answered before what broke counts as whole again."""


@dataclass(slots=True)
class Ledger:
    """What became of the calls; a failure in a time at which nothing may fail is a violation."""

    right: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    fault: Fault | None = None
    is_over: bool = False
    """The clients are being cancelled: what they see from then on is that."""

    @contextmanager
    def during(self, fault: Fault) -> Iterator[None]:
        """Failures are this fault's."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def failed(self, who: str, error: str) -> None:
        """A call, or the beginning of a session, was not answered as it should."""
        if self.is_over:
            return
        cause = "nothing" if self.fault is None else self.fault.name
        self.failures[cause] += 1
        if self.fault is None or self.fault.spares:
            self.violations.append(f"{time.strftime('%H:%M:%S')} {who} failed during {cause}: {error}")


class Caller:
    """One client: session after session at one endpoint."""

    def __init__(self, name: str, url: str, tool: str, ledger: Ledger) -> None:
        self.name = name
        self.in_a_row = 0
        self._url = url
        self._tool = tool
        self._ledger = ledger

    async def run(self) -> None:
        """Calls until it is over, or cancelled: a client of an SDK may take that for the end of a stream."""
        while not self._ledger.is_over:
            try:
                async with asyncio.timeout(CALL_SECONDS * 2):
                    await self._session()
            except (Exception, TimeoutError) as error:  # noqa: BLE001 - whatever a client sees is told
                self.in_a_row = 0
                self._ledger.failed(self.name, _words(error))
                await asyncio.sleep(1)

    async def until_well(self, seconds: float) -> bool:
        """Waits until its calls are answered again."""
        self.in_a_row = 0
        try:
            async with asyncio.timeout(seconds):
                while self.in_a_row < WELL:  # noqa: ASYNC110 - it calls again and again
                    await asyncio.sleep(0.2)
        except TimeoutError:
            return False
        return True

    async def _session(self) -> None:
        async with connected(self._url) as (client, _):
            assert self._tool in await tool_names(client)
            for _ in range(CALLS_OF_A_SESSION):
                async with asyncio.timeout(CALL_SECONDS):
                    await call(client, self._tool)
                self._ledger.right += 1
                self.in_a_row += 1
                await asyncio.sleep(PAUSE_SECONDS)


def _words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:300]
