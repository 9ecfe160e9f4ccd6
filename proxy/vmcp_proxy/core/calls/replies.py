"""The answers of our own: unknown names, broken backends."""

from collections.abc import Mapping
from typing import Final

import msgspec

from vmcp_proxy.backends.errors import BackendError, Category, CircuitOpenError
from vmcp_proxy.backends.interface import Deadline
from vmcp_proxy.core.catalog.capabilities import Outcome
from vmcp_proxy.core.members.member import Bounds
from vmcp_proxy.core.virtual import Failure, Operation, Reply, Result
from vmcp_proxy.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND

NO_COMPLETION: Final = Result(b'{"completion":{"values":[],"hasMore":false}}')
"""What a completion gets that no backend can answer."""

_LONGEST: Final = 256
_EARLY_SECONDS: Final = 0.05
"""By how much a timer of the loop may be early."""
_OF_RESOURCES: Final = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})
_NOUN: Final = {"tools/call": "tool", "prompts/get": "prompt"}
_MOST_NAMED: Final = 5
"""Silent backends that one error tells of."""


def unknown(operation: Operation) -> Failure:
    """The name is not in the caller's catalog; the same text for hidden and for missing ones."""
    if operation.method in _OF_RESOURCES:
        data = msgspec.json.encode({"uri": operation.name})
        return Failure(RESOURCE_NOT_FOUND, "Resource not found", data)
    return Failure(INVALID_PARAMS, f"Unknown {_noun(operation)}: {operation.name[:_LONGEST]}")


def unlisted(operation: Operation, silent: Mapping[str, Outcome]) -> Reply:
    """The name is not in the caller's catalog, but backends may have it of which that is not known."""
    named = [outcome.message for outcome in silent.values()]
    more = [f"and {len(named) - _MOST_NAMED} more"] if len(named) > _MOST_NAMED else []
    reasons = "; ".join(named[:_MOST_NAMED] + more)
    text = f"No {_noun(operation)} {operation.name[:_LONGEST]!r} is known yet, and it may belong to: {reasons}"
    first = next(iter(silent))
    data: dict[str, str | int] = {"vmcp.dev/backend": first, "vmcp.dev/category": silent[first].status}
    return _unanswered(operation, first, text, data)


def broken(operation: Operation, error: BackendError) -> Reply:
    """The backend gave no answer: a tool result that a model can read, or an error for the other methods."""
    data: dict[str, str | int] = {"vmcp.dev/backend": error.backend, "vmcp.dev/category": error.category.value}
    text = str(error)
    if error.retry_after is not None:
        data["vmcp.dev/retryAfterSeconds"] = error.retry_after
        if not isinstance(error, CircuitOpenError):
            text += f"; try again in {error.retry_after} s"
    return _unanswered(operation, error.backend, text, data)


def _unanswered(operation: Operation, backend: str, text: str, data: Mapping[str, str | int]) -> Reply:
    if operation.method != "tools/call":
        return Failure(INTERNAL_ERROR, text, msgspec.json.encode(data), backend)
    result = {"content": [{"type": "text", "text": text}], "isError": True, "_meta": data}
    return Result(msgspec.json.encode(result), backend, is_error=True, is_ours=True)


def _noun(operation: Operation) -> str:
    return "resource" if operation.method in _OF_RESOURCES else _NOUN.get(operation.method, "name")


def name_bound(error: BackendError, deadline: Deadline, bounds: Bounds, now: float) -> BackendError:
    """The error of a call whose time was up, with the bound and where it is set; any other as it is."""
    if error.category is not Category.TIMEOUT or error.hint or now + _EARLY_SECONDS < deadline.at:
        return error
    seconds, setting = bounds.call(error.backend), "timeouts, or by timeout in an editor's file"
    if deadline.at >= deadline.latest and bounds.maximum > seconds:
        seconds, setting = bounds.maximum, "timeouts.maximum"
    hint = f"{seconds:g} s is its bound, set by spec.config.operational.{setting}"
    return BackendError(error.backend, error.category, hint)


def gone(backend: str) -> Failure:
    """The backend has left the group between the list and the call."""
    return Failure(INTERNAL_ERROR, f"backend {backend!r} is no longer a member of the group", None, backend)
