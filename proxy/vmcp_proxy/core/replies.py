"""The answers of our own: unknown names, broken backends."""

from typing import Final

import msgspec

from vmcp_proxy.backends.errors import BackendError, CircuitOpenError
from vmcp_proxy.core.virtual import Failure, Operation, Reply, Result
from vmcp_proxy.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND

NO_COMPLETION: Final = Result(b'{"completion":{"values":[],"hasMore":false}}')
"""What a completion gets that no backend can answer."""

_LONGEST: Final = 256
_OF_RESOURCES: Final = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})
_NOUN: Final = {"tools/call": "tool", "prompts/get": "prompt"}


def unknown(operation: Operation) -> Failure:
    """The name is not in the caller's catalog; the same text for hidden and for missing ones."""
    if operation.method in _OF_RESOURCES:
        data = msgspec.json.encode({"uri": operation.name})
        return Failure(RESOURCE_NOT_FOUND, "Resource not found", data)
    noun = _NOUN.get(operation.method, "name")
    return Failure(INVALID_PARAMS, f"Unknown {noun}: {operation.name[:_LONGEST]}")


def broken(operation: Operation, error: BackendError) -> Reply:
    """The backend gave no answer: a tool result that a model can read, or an error for the other methods."""
    data: dict[str, str | int] = {"vmcp.dev/backend": error.backend, "vmcp.dev/category": error.category.value}
    if isinstance(error, CircuitOpenError):
        data["vmcp.dev/retryAfterSeconds"] = error.retry_after
    if operation.method != "tools/call":
        return Failure(INTERNAL_ERROR, str(error), msgspec.json.encode(data), error.backend)
    result = {"content": [{"type": "text", "text": str(error)}], "isError": True, "_meta": data}
    return Result(msgspec.json.encode(result), error.backend, is_error=True, is_ours=True)


def gone(backend: str) -> Failure:
    """The backend has left the group between the list and the call."""
    return Failure(INTERNAL_ERROR, f"backend {backend!r} is no longer a member of the group", None, backend)
