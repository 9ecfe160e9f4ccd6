"""A value that never shows itself."""

import hmac
from dataclasses import dataclass, field
from typing import TypeAlias

SecretKey: TypeAlias = tuple[str, str]
"""Name of a Secret and a key in it."""


@dataclass(frozen=True, slots=True, eq=False)
class SecretBytes:
    """The bytes of one key of a Secret; ``repr`` and ``str`` hide them."""

    _value: bytes = field(repr=False)

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)
