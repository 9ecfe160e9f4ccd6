"""The table of the legacy era: what becomes of a call as JSON-RPC code, form of the message and header fields."""

from typing import Final

import msgspec

from vmcp_proxy.core.outcomes import (
    Denied,
    Invalid,
    Limit,
    Limited,
    PartialFailure,
    RawFailure,
    Unanswered,
    Unavailable,
    Unchecked,
    Unknown,
    Unlisted,
)
from vmcp_proxy.core.policy.rate_limit import LAYER
from vmcp_proxy.observability.audit import Outcome, Reason
from vmcp_proxy.protocol.error_codes import (
    FORBIDDEN,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    REQUEST_CANCELLED,
    RESOURCE_NOT_FOUND,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
)
from vmcp_proxy.protocol.jsonrpc import Malformed, Request, encode_error, encode_raw_error, encode_result
from vmcp_proxy.protocol.kinds import Kind

_COMPLETION: Final = "completion/complete"
_NO_COMPLETION: Final = b'{"completion":{"values":[],"hasMore":false}}'
_NOUN: Final = {Kind.TOOL: "tool", Kind.PROMPT: "prompt", Kind.RESOURCE: "resource", Kind.TEMPLATE: "resource"}
_MOST_NAMED: Final = 5
"""Silent backends that one answer tells of."""

_LONGEST_NAME: Final = 256
_LONGEST_METHOD: Final = 128
_BACKEND: Final = "vmcp.dev/backend"
_CATEGORY: Final = "vmcp.dev/category"
_RETRY_AFTER: Final = "vmcp.dev/retryAfterSeconds"
_LIMITED: Final = {
    Limit.SHARED: "This endpoint is asked more often than it may be",
    Limit.PER_USER: "You have asked as often as you may",
    Limit.TOOL_SHARED: "This tool is called more often than it may be",
    Limit.TOOL_PER_USER: "You have called this tool as often as you may",
}
_UNCHECKED: Final = "Rate limits cannot be checked now; try again."


class OwnAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that no backend's result is; `headers` go with it where the response has not begun yet.

    Its status is 200, as it is an answer: clients on the Python SDK before 2.0 end their whole connection at any other
    one (ADR-0050).
    `outcome` is that of the audit, `backend` the one that the answer is about, `rejected_by` the layer that refused,
    `reason` what came between: the proxy gave up the wait for the backend.
    """

    body: bytes
    outcome: Outcome | None
    backend: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    rejected_by: str = ""
    reason: Reason | None = None


def own_answer(request: Request, reply: Unanswered) -> OwnAnswer:  # noqa: PLR0911 - a row for each outcome
    """What the client gets where there is no result."""
    match reply:
        case RawFailure():
            body = encode_raw_error(request.id, reply.error)
            return OwnAnswer(body, Outcome.APPLICATION_ERROR, reply.backend)
        case Denied():
            return OwnAnswer(encode_error(request.id, FORBIDDEN, "Forbidden."), Outcome.DENIED)
        case Invalid():
            return OwnAnswer(invalid_params(request.id, reply.reason), Outcome.FAILURE)
        case Limited():
            return _limited(request, reply)
        case Unchecked():
            return _for_a_while(reply.retry_after, request, SERVER_ERROR, _UNCHECKED, Outcome.ERROR)
        case Unknown():
            return _unknown(request, reply)
        case Unlisted():
            return _unlisted(request, reply)
        case Unavailable():
            return _unavailable(request, reply)
        case PartialFailure():
            data = msgspec.json.encode({_BACKEND: reply.backend, _CATEGORY: reply.category})
            return OwnAnswer(
                encode_error(request.id, INTERNAL_ERROR, reply.message, data), Outcome.ERROR, reply.backend
            )


def _limited(request: Request, reply: Limited) -> OwnAnswer:
    text = f"{_LIMITED[reply.limit]}; try again in {reply.retry_after} s."
    return _for_a_while(reply.retry_after, request, TOO_MANY_REQUESTS, text, Outcome.DENIED, limit=reply.limit.value)


def _for_a_while(seconds: int, request: Request, code: int, text: str, outcome: Outcome, **more: str) -> OwnAnswer:
    """Refused for a while: `Retry-After` (RFC 9110 section 10.2.3), and the same in the data for who sees no header."""
    data = msgspec.json.encode({"retryAfterSeconds": seconds, **more})
    headers = ((b"retry-after", b"%d" % seconds),)
    return OwnAnswer(encode_error(request.id, code, text, data), outcome, headers=headers, rejected_by=LAYER)


def _unknown(request: Request, reply: Unknown) -> OwnAnswer:
    if request.method == _COMPLETION:
        return OwnAnswer(encode_result(request.id, _NO_COMPLETION), None)
    if reply.kind is Kind.RESOURCE:
        data = msgspec.json.encode({"uri": reply.name})
        return OwnAnswer(encode_error(request.id, RESOURCE_NOT_FOUND, "Resource not found", data), Outcome.FAILURE)
    text = f"Unknown {_noun(request, reply.kind)}: {reply.name[:_LONGEST_NAME]}"
    return OwnAnswer(invalid_params(request.id, text), Outcome.FAILURE)


def _unlisted(request: Request, reply: Unlisted) -> OwnAnswer:
    silent = reply.silent
    named = [outcome.message for outcome in silent.values()]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    reasons = "; ".join(named[:_MOST_NAMED] + more)
    noun, name = _noun(request, reply.kind), reply.name[:_LONGEST_NAME]
    text = f"No {noun} {name!r} is known yet, and it may belong to: {reasons}"
    first = next(iter(silent))
    return _unavailable(request, Unavailable(first, silent[first].status, text))


def _unavailable(request: Request, reply: Unavailable) -> OwnAnswer:
    """A tool result that a model can read, or an error for the other methods; no backend may be behind it."""
    data: dict[str, str | int] = {_BACKEND: reply.backend} if reply.backend else {}
    data[_CATEGORY] = reply.category
    if reply.retry_after is not None:
        data[_RETRY_AFTER] = reply.retry_after
    if request.method == "tools/call":
        result = {"content": [{"type": "text", "text": reply.message}], "isError": True, "_meta": data}
        body = encode_result(request.id, msgspec.json.encode(result))
    else:
        body = encode_error(request.id, INTERNAL_ERROR, reply.message, msgspec.json.encode(data))
    reason = Reason.TIMEOUT if reply.category == Reason.TIMEOUT.value else None
    return OwnAnswer(body, Outcome.ERROR, reply.backend, reason=reason)


def _noun(request: Request, kind: Kind | None) -> str:
    """What the name is of; a completion asks for an argument, whoever's."""
    return "name" if kind is None or request.method == _COMPLETION else _NOUN[kind]


def method_not_found(request: Request) -> bytes:
    """Clients may not call this method here."""
    return encode_error(request.id, METHOD_NOT_FOUND, f"Method not found: {request.method[:_LONGEST_METHOD]}")


def invalid_params(request_id: bytes, text: str) -> bytes:
    """The params do not have the shape of the method."""
    return encode_error(request_id, INVALID_PARAMS, text)


def invalid_request(request_id: bytes | None, text: str) -> bytes:
    """The message may not come like this; what to do stands in the text."""
    return encode_error(request_id, INVALID_REQUEST, text)


def malformed(message: Malformed) -> bytes:
    """It is no message."""
    return encode_error(message.id, message.code, message.message)


def cancelled(request_id: bytes, *, is_session_over: bool) -> bytes:
    """The request was given up by the client, or together with its session."""
    over = "The session has ended; the request may have been carried out."
    return encode_error(request_id, REQUEST_CANCELLED, over if is_session_over else "The request was cancelled.")


def answer_lost(request_id: bytes) -> bytes:
    """The client waits for an answer which cannot be given any more."""
    text = "The answer is not kept here any longer; the request may have been carried out."
    return encode_error(request_id, INTERNAL_ERROR, text)


def shutting_down(request_id: bytes) -> bytes:
    """The process takes no more requests."""
    return encode_error(request_id, INTERNAL_ERROR, "The server is shutting down; try again.")
