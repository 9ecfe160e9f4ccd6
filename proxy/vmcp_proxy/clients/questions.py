"""What becomes of a backend's request on its way to the client: pure functions of its bytes."""

from typing import Final

import msgspec

from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.initialize import mirrored_capabilities
from vmcp_proxy.protocol.jsonrpc import Request, encode_notification
from vmcp_proxy.protocol.params import InvalidParamsError

_NEEDED: Final = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
_ANY_OTHER: Final = "experimental"
"""A method that MCP does not define can only belong to an experimental capability."""


def undeclared(method: str, capabilities: bytes) -> str | None:
    """The capability that it takes to answer this method, where the client has not declared it."""
    needed = _NEEDED.get(method, _ANY_OTHER)
    return None if needed in params.parse_members(mirrored_capabilities(capabilities)) else needed


def encode_question(request: Request, client_id: str) -> tuple[bytes, msgspec.Raw | None]:
    """The request under the id for the client, and the backend's progress token where it gave one.

    The id serves as progress token towards the client; keys of `_meta` that belong to one hop are left out.
    """
    raw_id = params.raw_text(client_id)
    head = b'{"jsonrpc":"2.0","id":%b,"method":%b' % (bytes(raw_id), bytes(params.raw_text(request.method)))
    if request.params is None:
        return head + b"}", None
    try:
        members = params.parse_members(request.params)
        token = params.replace_meta(members, raw_id)
    except InvalidParamsError:
        return b"".join((head, b',"params":', request.params, b"}")), None
    return b"".join((head, b',"params":', params.encode_members(members), b"}")), token


def encode_cancelled(client_id: str, reason: str) -> bytes:
    """Tells the client that its answer is not needed any more."""
    body = {"requestId": params.raw_text(client_id), "reason": params.raw_text(reason)}
    return encode_notification("notifications/cancelled", params.encode_members(body))
