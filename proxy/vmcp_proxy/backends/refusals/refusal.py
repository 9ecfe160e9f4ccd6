"""One refusal of a backend as it came, and the error that it becomes."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from time import time
from typing import Final

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category, CredentialsRefusedError
from vmcp_proxy.backends.messages import is_error
from vmcp_proxy.backends.refusals.words import masked, place, printable, words_of_error
from vmcp_proxy.http_client import HttpError, Response, ResponseHeaders, Url
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.sse import EventTooLargeError, SseParser

EVENTS: Final = b"text/event-stream"
JSON: Final = b"application/json"

_BODY_BYTES: Final = 64 << 10
_BODY_SECONDS: Final = 5.0
_LONGEST_PAUSE: Final = 3600
_LATER: Final = {
    HTTPStatus.TOO_MANY_REQUESTS: "; it limits how often it is called, call it less often or raise its limit",
    HTTPStatus.SERVICE_UNAVAILABLE: "; it asks to be called again later",
}


def media_type(headers: ResponseHeaders) -> bytes:
    """The media type without parameters, in lower case (RFC 9110 section 8.3.1); empty where there is none."""
    written = headers.get(b"content-type") or b""
    # As most write it: looked at before anything is taken apart.
    return written if written == JSON else written.partition(b";")[0].strip().lower()


def is_success(status: int) -> bool:
    """Whether a status says that the request was taken (RFC 9110 section 15.3)."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def category_of(status: int) -> Category:
    """What an HTTP status that carries no answer means."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Category.AUTH
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Category.BUSY
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Category.FAILED
    return Category.REFUSED if status >= HTTPStatus.BAD_REQUEST else Category.PROTOCOL


def retry_after(headers: ResponseHeaders) -> int | None:
    """The pause that a server asks for, in whole seconds of 1 to 3600 (RFC 9110 section 10.2.3)."""
    written = (headers.get(b"retry-after") or b"").decode("latin-1").strip()
    if written.isascii() and written.isdigit():
        return max(1, min(int(written[:9]), _LONGEST_PAUSE))
    with contextlib.suppress(ValueError, OverflowError):
        return max(1, min(round(parsedate_to_datetime(written).timestamp() - time()), _LONGEST_PAUSE))
    return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that carries no result; `message` is the JSON-RPC error in its body, whose id may be null."""

    status: int
    kind: bytes
    text: bytes
    message: jsonrpc.Response | None
    retry_after: int | None

    @property
    def said(self) -> bytes | memoryview:
        """What it says in its own words, for looking through."""
        error = None if self.message is None else self.message.error
        return self.text if error is None else memoryview(error)

    def error(
        self, backend: str, verb: str, url: Url, headers: Iterable[tuple[bytes, bytes]], advice: str = ""
    ) -> BackendError:
        """What it becomes: the path and the server's words are for operators; `headers` are what it may quote."""
        hint = f"HTTP status {self.status}"
        category = category_of(self.status)
        if category is Category.PROTOCOL:
            named = printable(self.kind.decode("latin-1"), 60)
            hint += f" with content type {named}" if named else " without an answer"
        pause = self.retry_after if self.status in _LATER else None
        if pause is not None or category is Category.BUSY:
            advice = _LATER[HTTPStatus(self.status)]
        mask = partial(masked, url, headers)
        if self.message is not None:
            words = words_of_error(self.message.error, mask)
        else:
            words = "" if b"<" in self.text[:64] else printable(mask(self.text.decode("utf-8", "replace")))
        detail = place(verb, url) + (f", it said {words}" if words else "")
        kind = CredentialsRefusedError if self.status == HTTPStatus.UNAUTHORIZED else BackendError
        return kind(backend, category, hint, detail=detail, advice=advice, status=self.status, retry_after=pause)


async def read_refusal(response: Response, deadline: Deadline | None = None) -> Refusal:
    """Reads what came with a refusal, within a bound; what is longer or does not come is left out."""
    seconds = _BODY_SECONDS
    if deadline is not None:
        seconds = max(min(seconds, deadline.at - asyncio.get_running_loop().time()), 0.0)
    text = b""
    try:
        with contextlib.suppress(HttpError):
            text = await response.read(_BODY_BYTES, timeout=seconds)
    finally:
        await response.aclose()
    kind = media_type(response.headers)
    return Refusal(response.status, kind, text, message_in(kind, text), retry_after(response.headers))


def message_in(kind: bytes, text: bytes) -> jsonrpc.Response | None:
    """The JSON-RPC error in a body, with its id or null; bodies of other protocols have something else there."""
    if kind == EVENTS:
        try:
            text = next((event.data for event in SseParser(_BODY_BYTES).feed(text) if event.data), b"")
        except EventTooLargeError:
            return None
    elif kind != JSON:
        return None
    try:
        text.decode()
        members = params.parse_members(text)
    except (UnicodeDecodeError, InvalidParamsError):
        return None
    error = members.get("error")
    if not is_error(error):
        return None
    return jsonrpc.Response(bytes(members.get("id", b"null")), None, error)
