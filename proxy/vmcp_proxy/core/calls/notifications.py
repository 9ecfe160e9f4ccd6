"""What becomes of a backend's notification on its way to the client: a pure function of the call it came in."""

from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import LOG_LEVELS, NO_RECORDS
from vmcp_proxy.protocol.params import InvalidParamsError, inbound_result

CHANGED_KINDS: Final = {
    "notifications/tools/list_changed": (Kind.TOOL,),
    "notifications/resources/list_changed": (Kind.RESOURCE, Kind.TEMPLATE),
    "notifications/prompts/list_changed": (Kind.PROMPT,),
}
"""The listings that a backend declares out of date."""

CANCELLED: Final = "notifications/cancelled"
RESOURCE_UPDATED: Final = "notifications/resources/updated"
_PROGRESS: Final = "notifications/progress"

_KEPT_HERE: Final = frozenset({CANCELLED, "notifications/initialized", *CHANGED_KINDS})


def relayed(
    method: str,
    raw: msgspec.Raw | None,
    *,
    backend: str,
    client_token: msgspec.Raw | None,
    log_level: str | None,
    uri_of: Callable[[str], str],
) -> bytes | None:
    """The message for the client; None where it is not for the client.

    Progress gets the client's own token back. Log records below the level that it wants are left out, and their
    logger is prefixed with the backend's name. `uri_of` gives the URI by which the client knows one of the
    backend's. Unknown notifications pass as they came.
    """
    if method in _KEPT_HERE:
        return None
    try:
        if method == _PROGRESS:
            return None if client_token is None else _progress(raw, client_token)
        if method == "notifications/message":
            return _log_record(raw, backend, log_level)
        if method == RESOURCE_UPDATED:
            return _update(raw, uri_of)
    except InvalidParamsError:
        return None
    return jsonrpc.encode_notification(method, None if raw is None else inbound_result(raw))


def for_later_request(message: bytes, client_token: msgspec.Raw | None) -> bytes | None:
    """What a call says when another request of its client has taken over: progress gets the token of that one.

    None where that one has not asked for any.
    """
    said = jsonrpc.parse_message(message)
    if not isinstance(said, jsonrpc.Notification) or said.method != _PROGRESS:
        return message
    return None if client_token is None else _progress(said.params, client_token)


def _progress(raw: msgspec.Raw | None, client_token: msgspec.Raw) -> bytes:
    members = params.parse_members(None if raw is None else inbound_result(raw))
    members["progressToken"] = client_token
    return jsonrpc.encode_notification(_PROGRESS, params.encode_members(members))


def _update(raw: msgspec.Raw | None, uri_of: Callable[[str], str]) -> bytes:
    members = params.parse_members(None if raw is None else inbound_result(raw))
    uri = params.text_of(members, "uri")
    if (known := uri_of(uri)) != uri:
        members["uri"] = params.raw_text(known)
    return jsonrpc.encode_notification(RESOURCE_UPDATED, params.encode_members(members))


def _log_record(raw: msgspec.Raw | None, backend: str, log_level: str | None) -> bytes | None:
    if log_level == NO_RECORDS:
        return None
    members = params.parse_members(None if raw is None else inbound_result(raw))
    level = params.text_of(members, "level")
    if level not in LOG_LEVELS:
        return None
    if log_level is not None and LOG_LEVELS.index(level) < LOG_LEVELS.index(log_level):
        return None
    logger = params.optional_text_of(members, "logger")
    members["logger"] = params.raw_text(f"{backend}/{logger}" if logger else backend)
    return jsonrpc.encode_notification("notifications/message", params.encode_members(members))
