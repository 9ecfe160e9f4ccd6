"""One question at a time for each key, whoever asks; all get the same answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Flight(Generic[_Value]):
    __slots__ = ("is_over", "values")

    def __init__(self) -> None:
        self.is_over: Final = asyncio.Event()
        self.values: Final[list[_Value]] = []


class SingleFlight(Generic[_Key, _Value]):
    """Shares answers among those who ask for the same while one is asked for.

    The first asks within its own task. Where it is cancelled, the next one asks: nobody's hanging up costs the others
    their answer. What is expected to fail is an answer too, so that the others need not wait for the same failure.
    """

    __slots__ = ("_flights",)

    def __init__(self) -> None:
        self._flights: Final[dict[Any, _Flight[_Value]]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def ask(self, key: _Key, question: Callable[[], Awaitable[_Value]]) -> _Value:
        """The answer to a question, of which there is at most one at a time for each key."""
        while (flight := self._flights.get(key)) is not None:
            await flight.is_over.wait()
            if flight.values:
                return flight.values[0]
        flight = self._flights[key] = _Flight()
        try:
            value = await question()
            flight.values.append(value)
            return value
        finally:
            del self._flights[key]
            flight.is_over.set()
