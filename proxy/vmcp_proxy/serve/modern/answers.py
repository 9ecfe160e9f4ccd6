"""The table of the modern era: codes and HTTP statuses of answers that are no results (MCP 2026-07-28, ADR-0059)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from vmcp_proxy.core.outcomes import RawFailure
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.error_codes import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    PARSE_ERROR,
    RESOURCE_NOT_FOUND,
    SERVER_ERROR,
    SESSION_NOT_FOUND,
    UNSUPPORTED_VERSION,
    URL_ELICITATION_REQUIRED,
)
from vmcp_proxy.protocol.jsonrpc import Raw, Request, encode_error, encode_raw_error
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.serve.eras.own_answers import Failure

OK: Final = 200

_STATUS: Final[Mapping[int, int]] = MappingProxyType(
    {
        PARSE_ERROR: 400,
        INVALID_REQUEST: 400,
        INVALID_PARAMS: 400,
        HEADER_MISMATCH: 400,
        MISSING_CAPABILITY: 400,
        METHOD_NOT_FOUND: 404,
    }
)
"""The statuses that the transport demands; whatever else is answered, is an answer (ADR-0050)."""

_OURS: Final[Mapping[int, int]] = MappingProxyType({RESOURCE_NOT_FOUND: INVALID_PARAMS, SERVER_ERROR: INTERNAL_ERROR})
"""The codes of the other era that ours may have, and what stands in their place."""

_OF_BACKENDS: Final[Mapping[int, int]] = MappingProxyType(
    {
        **_OURS,
        SESSION_NOT_FOUND: INTERNAL_ERROR,
        URL_ELICITATION_REQUIRED: INTERNAL_ERROR,
        HEADER_MISMATCH: INTERNAL_ERROR,
        UNSUPPORTED_VERSION: INTERNAL_ERROR,
    }
)
"""The same of backends' errors; those that are about our request to the backend would mislead the client."""

Answered = tuple[int, bytes]
"""The HTTP status and the JSON-RPC answer."""


def answer_failure(request: Request, failure: Failure) -> Answered:
    """An error of ours."""
    code = _OURS.get(failure.code, failure.code)
    return _STATUS.get(code, OK), encode_error(request.id, code, failure.message, failure.data)


def answer_backend_failure(request: Request, failure: RawFailure, name: str) -> Answered:
    """A backend's error, as it came where its code is one of this era; `name` is what the request is about."""
    try:
        members = params.parse_members(failure.error)
    except InvalidParamsError:
        members = {}
    code = _code_of(members.get("code"))
    if code is None:
        return OK, encode_error(request.id, INTERNAL_ERROR, "The backend answered with an error that is none.")
    ours = _OF_BACKENDS.get(code, code)
    if ours == code:
        return _STATUS.get(code, OK), encode_raw_error(request.id, failure.error)
    members["code"] = msgspec.Raw(b"%d" % ours)
    if code == RESOURCE_NOT_FOUND:
        members["data"] = _with_uri(members.get("data"), name)
    return _STATUS.get(ours, OK), encode_raw_error(request.id, params.encode_members(members))


def _code_of(raw: Raw | None) -> int | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=int)
    except msgspec.DecodeError:
        return None


def _with_uri(data: msgspec.Raw | None, uri: str) -> msgspec.Raw:
    """The data of an error about a resource that is not there, which name it in this era."""
    try:
        members = params.parse_members(data)
    except InvalidParamsError:
        members = {}
    members.setdefault("uri", params.raw_text(uri))
    return msgspec.Raw(params.encode_members(members))
