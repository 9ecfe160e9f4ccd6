"""What a client asks to hear of on one stream, and the frames of that stream (MCP 2026-07-28, "Subscriptions")."""

from typing import Final

import msgspec

from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import encode_notification
from vmcp_proxy.protocol.modern import envelope_keys
from vmcp_proxy.protocol.params import InvalidParamsError, Members

ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"

LISTS: Final = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
"""The notification that each flag of a filter asks for."""

MOST_URIS: Final = 1024
"""Resources that one stream may ask for; each costs memory here and a request to its backend."""

_FILTER: Final = "notifications"
_URIS: Final = "resourceSubscriptions"
_decode_flag: Final = msgspec.json.Decoder(bool | None).decode
_decode_uris: Final = msgspec.json.Decoder(list[str] | None).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Filter(msgspec.Struct, frozen=True, gc=False):
    """What a stream carries: notifications of changed lists by their methods, updates of resources by their URIs."""

    changes: frozenset[str] = frozenset()
    uris: tuple[str, ...] = ()


def read_filter(members: Members) -> Filter:
    """What the params of `subscriptions/listen` ask for; flags of other revisions and extensions are passed over.

    Raises:
        InvalidParamsError: the params do not have the shape of the method, or ask for too much.
    """
    raw = members.get(_FILTER)
    if raw is None:
        raise InvalidParamsError(f'The params need a member "{_FILTER}": an object that says what to hear of.')
    wanted = params.parse_members(raw)
    changes = frozenset(method for flag, method in LISTS.items() if _flag(wanted, flag))
    uris = tuple(dict.fromkeys(_uris(wanted)))
    if len(uris) > MOST_URIS:
        raise InvalidParamsError(f"A stream may ask for {MOST_URIS} resources; these are {len(uris)}.")
    return Filter(changes, uris)


def _flag(wanted: Members, name: str) -> bool:
    raw = wanted.get(name)
    if raw is None:
        return False
    try:
        return _decode_flag(raw) is True
    except _UNREADABLE:
        raise InvalidParamsError(f'"{name}" must be true or false.') from None


def _uris(wanted: Members) -> list[str]:
    raw = wanted.get(_URIS)
    if raw is None:
        return []
    try:
        return _decode_uris(raw) or []
    except _UNREADABLE:
        raise InvalidParamsError(f'"{_URIS}" must be a list of URIs.') from None


def acknowledged(subscription: bytes, honored: Filter) -> bytes:
    """The first message of a stream: what it will carry. `subscription` is the id of the request as raw JSON."""
    wire: dict[str, object] = {flag: True for flag, method in LISTS.items() if method in honored.changes}
    if honored.uris:
        wire[_URIS] = honored.uris
    body = {_FILTER: wire, "_meta": {envelope_keys.SUBSCRIPTION_ID: msgspec.Raw(subscription)}}
    return encode_notification(ACKNOWLEDGED, msgspec.json.encode(body))


def stamped(subscription: bytes, method: str, raw: msgspec.Raw | None) -> bytes:
    """A notification as it stands on the stream of a subscription.

    Of params or a `_meta` that are no objects nothing is left: what a backend writes must not end the client's stream.
    """
    members = _members(raw)
    meta = _members(members.get("_meta"))
    meta[envelope_keys.SUBSCRIPTION_ID] = msgspec.Raw(subscription)
    members["_meta"] = msgspec.Raw(params.encode_members(meta))
    return encode_notification(method, params.encode_members(members))


def _members(raw: msgspec.Raw | None) -> Members:
    try:
        return params.parse_members(raw)
    except InvalidParamsError:
        return {}
