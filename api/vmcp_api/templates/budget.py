"""What one evaluation may cost: templates come from whoever may write a resource, values from whoever may call."""

from collections.abc import Mapping
from typing import Final

from vmcp_api.templates.errors import TemplateError

MOST_STEPS: Final = 20_000
"""Expressions and statements that are evaluated, each turn of a loop again: below 100 ms."""

MOST_SIZE: Final = 10 << 20
"""Characters of all texts that are made, and 64 for each value that is looked through."""

MOST_MEMORY: Final = 64 << 20
"""Bytes that values decoded from JSON texts may take while they are looked through."""

_VALUE_SIZE: Final = 64
"""Characters that a value counts for where it is looked at: ten of these take about the time of one step."""

_COMPARED: Final = 64
"""Characters of two texts that are compared in the time in which one is made."""

_SIZE_OF_STEP: Final = 512


class Budget:
    """Counts what evaluating costs; several templates may share one. `memory` is what JSON may take, in bytes.

    `kept` is what the values take that templates have given, in the same characters.

    Values are made of references, so that a short template could make one that is huge once it is written out: whatever
    looks through a value asks `measure` first.
    """

    __slots__ = ("_memory", "_size", "_steps", "_whole", "kept")

    def __init__(self, steps: int = MOST_STEPS, size: int = MOST_SIZE, memory: int = MOST_MEMORY) -> None:
        self._steps = steps
        self._size = size
        self._memory = memory
        self._whole = (steps, size)
        self.kept = 0

    @property
    def spent(self) -> int:
        """What was counted so far, in steps; 512 characters are worth one."""
        steps, size = self._whole
        return steps - self._steps + (size - self._size) // _SIZE_OF_STEP

    @property
    def size(self) -> int:
        """The characters that were counted so far, values among them."""
        return self._whole[1] - self._size

    def step(self) -> None:
        """Counts the evaluation of one expression or statement.

        Raises:
            TemplateError: that was one too many.
        """
        self._steps -= 1
        if self._steps < 0:
            raise TemplateError("takes too many steps; loop over less")

    def take(self, size: int) -> None:
        """Counts characters before they are made.

        Raises:
            TemplateError: these are too many.
        """
        if size > self._size:
            self._size = 0
            raise TemplateError("makes more than 10 MiB of text")
        self._size -= size

    def look(self, count: int) -> None:
        """Counts values that are looked at, or put somewhere else, one by one, before that is done.

        Raises:
            TemplateError: these are too many.
        """
        if count * _VALUE_SIZE > self._size:
            self._size = 0
            raise TemplateError("looks at too many values; give it fewer")
        self._size -= count * _VALUE_SIZE

    def compare(self, left: str, right: str) -> None:
        """Counts two texts that are compared.

        Raises:
            TemplateError: these are too many, or too long.
        """
        self.take(min(len(left), len(right)) // _COMPARED)

    def decode(self, weight: int) -> None:
        """Counts what the values of JSON texts take in memory, in bytes, before they are decoded.

        Raises:
            TemplateError: that is too much.
        """
        self._memory -= weight
        self._size -= weight
        if self._memory < 0 or self._size < 0:
            raise TemplateError("the JSON of its texts takes more memory than there is; read less of it")

    def keep(self, value: object) -> None:
        """Counts a value that a template gives.

        Raises:
            TemplateError: it is too large.
        """
        before = self._size
        self.measure(value)
        self.kept += before - self._size

    def measure(self, value: object) -> None:
        """Counts a value as if it were written out.

        Raises:
            TemplateError: it is too large.
        """
        left = [value]
        while left:
            each = left.pop()
            self.take(_VALUE_SIZE + (len(each) if isinstance(each, str) else 0))
            if isinstance(each, (dict, Mapping)):
                self.take(sum(len(key) for key in each if isinstance(key, str)))
                left.extend(each.values())
            elif isinstance(each, list | tuple):
                left.extend(each)
