"""What a message is about: the tool, the prompt or the URI that its params name."""

from typing import Final

import msgspec

from vmcp_proxy.protocol.jsonrpc import Notification, Request


class _Reference(msgspec.Struct, gc=False):
    name: str = ""
    uri: str = ""


class _Params(msgspec.Struct, gc=False):
    name: str = ""
    uri: str = ""
    ref: _Reference | None = None


_decode: Final = msgspec.json.Decoder(_Params).decode
_NAMING: Final = frozenset(
    {
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
    }
)


def target_of(message: Request | Notification) -> str:
    """The name or URI that a message is about; empty where it names none, or names it by no text.

    For display only: the dispatch reads the params itself and refuses what is not right.
    """
    if message.method not in _NAMING or message.params is None:
        return ""
    try:
        params = _decode(message.params)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    found = params.ref if params.ref is not None else params
    return found.name or found.uri
