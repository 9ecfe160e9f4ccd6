"""Verdicts about texts, kept by what they are about."""

from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_DIGEST_BYTES: Final = 16


def digest_of(*texts: str) -> bytes:
    """What stands for texts where they are long: a key that held them would keep each version of them alive."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


class Remembered(Generic[K, V]):
    """The values that were worked out for the `most` keys asked for last."""

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._values: Final[dict[K, V]] = {}

    def get(self, key: K, work_out: Callable[[], V]) -> V:
        """The value of a key, worked out where it is not known."""
        values = self._values
        value = values.pop(key) if key in values else work_out()
        values[key] = value
        if len(values) > self._most:
            del values[next(iter(values))]
        return value
