"""Which refusals of a request say that the backend has lost our session: one table, without I/O (ADR-0029)."""

import re
from enum import Enum
from http import HTTPStatus
from typing import Final

_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_OF_CREDENTIALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_OF_THE_REQUEST: Final = frozenset(
    {
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    }
)
"""Refusals that speak of this request, or of this moment, and never of the session."""

_WORDS: Final = re.compile(rb"session|initiali[sz]", re.IGNORECASE)
"""For example "No valid session ID provided", "Server not initialized", "expected an initialize request"."""

_READ: Final = 4096


class Sign(Enum):
    """What a refusal says of the session."""

    NONE = "nothing"
    DOUBT = "the session may be lost"
    BROKEN = "the session may be lost, and the request may have run"
    LOST = "the session is lost"


def names_session(text: bytes | memoryview) -> bool:
    """Whether an error speaks of sessions or of their beginning."""
    return _WORDS.search(memoryview(text)[:_READ]) is not None


def sign_of(status: int, text: bytes | memoryview, *, is_answer: bool) -> Sign:
    """What a response to a request of a session says of it.

    `text` is the error in its body, or the body; `is_answer`: it is a JSON-RPC error with the request's id.
    A doubt is settled by a `ping` in the same session, for one that is opened anew has lost what the server kept
    in it.
    """
    if status in _GONE and not is_answer:
        return Sign.LOST
    if status in _OF_THE_REQUEST:
        return Sign.NONE
    if is_answer or status in _OF_CREDENTIALS:
        is_doubtful = names_session(text)
    else:
        is_doubtful = HTTPStatus.BAD_REQUEST <= status <= HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_doubtful:
        return Sign.NONE
    return Sign.DOUBT if status < HTTPStatus.INTERNAL_SERVER_ERROR else Sign.BROKEN


def is_lost(status: int, text: bytes | memoryview, *, is_answer: bool) -> bool:
    """Whether what came for the `ping` that settles a doubt says that the session is lost."""
    sign = sign_of(status, text, is_answer=is_answer)
    return sign is not Sign.NONE
