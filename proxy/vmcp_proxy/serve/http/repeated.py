"""Heads that come again byte for byte, as those of one client's calls do: what was read of them is read once."""

from collections.abc import Sequence
from typing import Any, Final

from vmcp_proxy.serve.http.bounds import UNCOUNTED_BYTES
from vmcp_proxy.serve.http.head import FIELD_COST, Field

SAME_HEAD: Final = "vmcp.same_head"
"""Where the scope of a request has the `RepeatedHead` that it came with; absent where its head was parsed."""

MOST_BYTES: Final = 4096
"""Of a head, and of a request with one that is known: longer ones count towards what connections may hold."""

_LENGTH: Final = b"content-length"
_END_OF_LINE: Final = b"\r\n"
_MOST_DIGITS: Final = 4


class RepeatedHead:
    """The head of a POST that has been parsed, in two halves around its Content-Length, and what it said.

    `scope` is that of ASGI without headers and state, `cost` the bytes of memory that the head takes. Nothing here is
    shown, for the fields hold credentials. What layers find out by the fields alone they may note for the requests to
    come: `passed` is by which policy the fields were fine, `captured` what was taken of them, and for whom,
    `classified` what the dispatch has found of the request before, `chosen` the fields that it takes by the begin of
    their names, `client` for whom it has served that request, held weakly, `token_digest` that of the token that the
    fields show, `least_credential` the bytes of the shortest credential in them that audit lines are searched for.
    """

    __slots__ = (
        "_after",
        "_before",
        "_fields",
        "_named",
        "_place",
        "captured",
        "chosen",
        "classified",
        "client",
        "cost",
        "least_credential",
        "passed",
        "scope",
        "token_digest",
    )

    def __init__(self, halves: tuple[bytes, bytes], fields: Sequence[Field], place: int, scope: dict[str, Any]) -> None:
        self._before, self._after = halves
        self._fields: Final = tuple(fields)
        self._place: Final = place
        # The first value of a repeated field is the one that counts.
        self._named: Final = dict(reversed(self._fields))
        self.scope: Final = scope
        self.cost: Final = sum(map(len, halves)) + FIELD_COST * len(fields)
        self.passed: object = None
        self.captured: tuple[object, object, Any] | None = None
        self.classified: Any = None
        self.client: Any = None
        self.chosen: dict[bytes, bytes] | None = None
        self.token_digest: bytes | None = None
        self.least_credential: int | None = None

    def __repr__(self) -> str:
        return f"RepeatedHead({len(self._fields)} fields)"

    @classmethod
    def of(cls, raw: bytes, fields: Sequence[Field], scope: dict[str, Any]) -> "RepeatedHead | None":
        """What is known of the `raw` head of a request that the parser took, with the `fields` that it found in it.

        None where it is long, has no plain Content-Length, or is not written as one line for each field.
        """
        if len(raw) > MOST_BYTES or len(raw) + FIELD_COST * len(fields) > UNCOUNTED_BYTES:
            return None
        lines = raw.split(_END_OF_LINE)
        names = [name for name, _ in fields]
        # The request line, the fields, and what is before and behind the last end of a line.
        if len(lines) != len(fields) + 3 or not raw.count(b"\n") == raw.count(b"\r") == len(lines) - 1:
            return None
        if names.count(_LENGTH) != 1:
            return None
        place = names.index(_LENGTH)
        line, digits = lines[place + 1], fields[place][1]
        if not line.lower().startswith(_LENGTH + b":") or not line.endswith(digits) or not digits.isdigit():
            return None
        before = _END_OF_LINE.join((*lines[: place + 1], line[: -len(digits)]))
        return cls((before, raw[len(before) + len(digits) :]), fields, place, scope)

    def length_in(self, data: bytes) -> bytes | None:
        """The Content-Length of a request that `data` holds from its begin to its end, behind this head; else None."""
        if not data.startswith(self._before):
            return None
        start = len(self._before)
        end = data.find(_END_OF_LINE, start, start + _MOST_DIGITS + len(_END_OF_LINE))
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(self._after, end):
            return None
        return digits if len(data) == end + len(self._after) + int(digits) else None

    def fields(self, length: bytes) -> list[Field]:
        """The fields of a request with this head, which may be changed."""
        fields = list(self._fields)
        fields[self._place] = (_LENGTH, length)
        return fields

    def named(self, fields: Sequence[Field]) -> dict[bytes, bytes]:
        """The first value of each of the `fields` of a request with this head, by its name in lower case."""
        return {**self._named, _LENGTH: fields[self._place][1]}
