"""The result of `server/discover` (MCP 2026-07-28): what a server says of itself without a handshake."""

from collections.abc import Collection

import msgspec

from vmcp_proxy.protocol import extensions
from vmcp_proxy.protocol.extensions import Settings
from vmcp_proxy.protocol.initialize import LISTS, capabilities_of
from vmcp_proxy.protocol.versions import SPOKEN


def encode_discovery(
    *,
    offers: frozenset[str],
    carried: Settings = extensions.NONE,
    instructions: str = "",
    lists: Collection[str] = LISTS,
) -> bytes:
    """What is ours to say of it, as a raw JSON object: what every result has besides is added where it is sent.

    Where `logging` is offered, requests may ask for records; what is said to change is told on streams that ask for it.
    """
    capabilities = capabilities_of(offers, carried, lists)
    result: dict[str, object] = {"supportedVersions": SPOKEN, "capabilities": capabilities}
    if instructions:
        result["instructions"] = instructions
    return msgspec.json.encode(result)
