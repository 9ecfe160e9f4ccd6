"""What a backend is answered whose request no client answers."""

from vmcp_proxy.protocol.error_codes import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND
from vmcp_proxy.protocol.jsonrpc import encode_error


def undeclared(request_id: bytes, capability: str) -> bytes:
    """The client cannot be asked for this."""
    return encode_error(request_id, METHOD_NOT_FOUND, f"The client has not declared the capability {capability}.")


def no_way_back(request_id: bytes) -> bytes:
    """The client speaks a revision in which nothing is asked of it."""
    return encode_error(request_id, METHOD_NOT_FOUND, "This client cannot be asked during a call.")


def crowded(request_id: bytes) -> bytes:
    """The client is being asked too much already."""
    text = "Too many requests wait for the client; answer or cancel some first."
    return encode_error(request_id, INTERNAL_ERROR, text)


def overdue(request_id: bytes) -> bytes:
    """The client has not answered, or could not be reached."""
    return encode_error(request_id, INTERNAL_ERROR, "The client did not take the request in time.")


def malformed(request_id: bytes) -> bytes:
    """It is none that a client could be asked."""
    return encode_error(request_id, INVALID_PARAMS, "The params must be an object of the shape of their method.")
