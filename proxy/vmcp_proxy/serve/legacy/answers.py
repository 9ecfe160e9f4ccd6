"""The answers of the legacy era that no backend's result is, as JSON-RPC messages.

Their status is 200, as each is an answer: clients on the Python SDK before 2.0 end their whole connection at any other
one (ADR-0050).
"""

from typing import Final

from vmcp_proxy.core.outcomes import RawFailure
from vmcp_proxy.protocol.error_codes import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    REQUEST_CANCELLED,
)
from vmcp_proxy.protocol.jsonrpc import Malformed, Request, encode_error, encode_raw_error, encode_result
from vmcp_proxy.serve.eras.own_answers import Content, Failure

_LONGEST_METHOD: Final = 128


def encode_content(request_id: bytes, content: Content) -> bytes:
    """What became of a call, as the answer to it; codes are those of this era already."""
    if isinstance(content, Failure):
        return encode_error(request_id, content.code, content.message, content.data)
    if isinstance(content, RawFailure):
        return encode_raw_error(request_id, content.error)
    return encode_result(request_id, content)


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
