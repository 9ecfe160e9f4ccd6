"""An audit line with content of the request and its answer, made where nobody waits for it."""

from collections.abc import Iterator
from typing import Final, Self

import msgspec

from vmcp_proxy.observability.audit.data import SLACK, clip, holds_secret
from vmcp_proxy.observability.audit.event import AuditEvent, PolicyDecision, Target, encode_event
from vmcp_proxy.observability.audit.secrets import Hide, hides
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.jsonrpc import Answer, Raw, size_of
from vmcp_proxy.protocol.methods import METHODS

_EVENT_BYTES: Final = 1024
"""About what an event takes beside its data."""

_RESULT: Final = b',"result":'
_ERROR: Final = b',"error":'
_LONGEST_HEAD: Final = 1024
"""Bytes of an answer before its result: the version, and an id of bounded length (`MAX_ID_BYTES`)."""


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """The beginning of a text, and the bytes of the whole."""

    text: bytes
    size: int

    @classmethod
    def of(cls, text: Answer | Raw, most: int) -> Self:
        """What is needed to write `most` bytes of it; nothing else is copied."""
        if not isinstance(text, tuple):
            return cls(bytes(memoryview(text)[: most + SLACK]), len(memoryview(text)))
        parts: list[bytes] = []
        left = most + SLACK
        for part in text:
            parts.append(bytes(part[:left]))
            left -= len(parts[-1])
            if left <= 0:
                break
        return cls(b"".join(parts), size_of(text))


class Data(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What `data` of an event holds; `cut` has the bytes that there were of what is not whole."""

    request: msgspec.Raw | None = None
    response: msgspec.Raw | None = None
    error: msgspec.Raw | None = None
    cut: dict[str, int] | None = None


class HeaderValues(msgspec.Struct, frozen=True, gc=False):
    """Values of headers that stand in no log; those of `credentials` are secret without their scheme too."""

    plain: tuple[bytes, ...] = ()
    credentials: tuple[bytes, ...] = ()

    def texts(self, longest: int | None) -> Iterator[str]:
        """Those that a text of so many characters could hold; None: a text of any length."""
        bare = (value.partition(b" ")[2] for value in self.credentials)
        for value in (*self.plain, *self.credentials, *bare):
            if longest is None or len(value) <= longest:
                yield value.decode("latin-1")


class LineWithData:
    """An event and what its data is made of."""

    __slots__ = ("_event", "_most", "_request", "_response", "_secrets", "_values")

    def __init__(
        self,
        event: AuditEvent,
        request: Excerpt | None,
        response: Excerpt | None,
        most: int,
        secrets: Masks,
        values: HeaderValues,
    ) -> None:
        self._event: Final = event
        self._request: Final = request
        self._response: Final = response
        self._most: Final = most
        self._secrets: Final = secrets
        self._values: Final = values

    def __len__(self) -> int:
        return _EVENT_BYTES + sum(len(each.text) for each in (self._request, self._response) if each is not None)

    def encode(self) -> bytes:
        """The line, with what of the data is fit for it."""
        hide = hides(self._secrets, self._values.texts(self._longest))
        cut: dict[str, int] = {}
        found: dict[str, msgspec.Raw] = {}
        if self._request is not None:
            self._take("request", self._request, 0, hide, found, cut)
        if self._response is not None:
            name, start = _place(self._response.text)
            self._take(name, self._response, start, hide, found, cut)
        event = _without_secrets(self._event, hide)
        if self._request is None and self._response is None:
            return encode_event(event)
        data = msgspec.json.encode(Data(**found, cut=cut or None))
        return encode_event(msgspec.structs.replace(event, data=msgspec.Raw(data)))

    @property
    def _longest(self) -> int | None:
        """Characters of the longest text of the event that may hold a secret; None where there is content."""
        if self._request is not None or self._response is not None:
            return None
        texts = chosen_texts(self._event)
        return None if texts is None else max(map(len, (self._event.target.method, *texts)))

    def _take(
        self,
        name: str,
        excerpt: Excerpt,
        start: int,
        hide: Hide,
        found: dict[str, msgspec.Raw],
        cut: dict[str, int],
    ) -> None:
        is_whole = len(excerpt.text) == excerpt.size
        text = excerpt.text[start:].decode("utf-8", "ignore")
        clipped = clip(text, self._most, hide, is_whole=is_whole)
        if clipped is None:
            cut[name] = excerpt.size
            return
        written, was_cut = clipped
        if written:
            found[name] = msgspec.Raw(written)
        if was_cut:
            cut[name] = excerpt.size


def chosen_texts(event: AuditEvent) -> tuple[str, ...] | None:
    """What a caller has chosen of an event without data, but for the method; None where there are arguments too."""
    target, decision = event.target, event.decision
    if decision is msgspec.UNSET:
        return (target.name,)
    if decision.arguments is not msgspec.UNSET:
        return None
    return (target.name, decision.resource, decision.original or "")


def _without_secrets(event: AuditEvent, hide: Hide) -> AuditEvent:
    """The event without secrets in what its caller chose: the target, and what policies were asked about."""
    target, decision = event.target, event.decision
    method = target.method if target.method in METHODS else hide(target.method)
    return msgspec.structs.replace(
        event,
        target=Target(method, hide(target.name), target.via),
        decision=msgspec.UNSET if decision is msgspec.UNSET else _decision(decision, hide),
    )


def _decision(decision: PolicyDecision, hide: Hide) -> PolicyDecision:
    arguments, masked = decision.arguments, decision.masked or ()
    if arguments is not msgspec.UNSET:
        if any(hide(name) != name for name in (*arguments, *masked)):
            # Without its name nobody could say which argument is unknown: so all are.
            arguments, masked = msgspec.UNSET, ()
        else:
            found = {name for name, raw in arguments.items() if holds_secret(bytes(raw).decode(errors="replace"), hide)}
            masked = (*masked, *(name for name in arguments if name in found))
            arguments = {name: raw for name, raw in arguments.items() if name not in found}
    original = decision.original
    return msgspec.structs.replace(
        decision,
        resource=hide(decision.resource),
        original=msgspec.UNSET if original is msgspec.UNSET else hide(original),
        arguments=arguments,
        masked=masked or msgspec.UNSET,
    )


def _place(answer: bytes) -> tuple[str, int]:
    """Where the result or error of an answer begins, and which of both; only an id stands before it."""
    head = answer[:_LONGEST_HEAD]
    marks = {"response": _RESULT, "error": _ERROR}
    places = {name: at + len(mark) for name, mark in marks.items() if (at := head.find(mark)) >= 0}
    return min(places.items(), key=lambda place: place[1]) if places else ("response", 0)
