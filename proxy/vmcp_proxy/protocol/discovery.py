"""The result of `server/discover` (MCP 2026-07-28): what a server says of itself without a handshake."""

from collections.abc import Collection

import msgspec

from vmcp_proxy.protocol import extensions
from vmcp_proxy.protocol.extensions import Settings
from vmcp_proxy.protocol.initialize import LISTS
from vmcp_proxy.protocol.versions import SPOKEN


def encode_discovery(
    *,
    offers: frozenset[str],
    carried: Settings = extensions.NONE,
    instructions: str = "",
    lists: Collection[str] = LISTS,
) -> bytes:
    """What is ours to say of it, as a raw JSON object: what every result has besides is added where it is sent.

    `completions` and extensions are offered while a backend answers them, `logging` too: then requests may ask for
    records. No list is said to tell its changes, as nothing here is subscribed to.
    """
    capabilities: dict[str, dict[str, bool] | msgspec.Raw] = {name: {} for name in LISTS if name in lists}
    capabilities.update({extra: {} for extra in ("completions", "logging") if extra in offers})
    if carried:
        capabilities["extensions"] = msgspec.Raw(extensions.encode_extensions(carried))
    result: dict[str, object] = {"supportedVersions": SPOKEN, "capabilities": capabilities}
    if instructions:
        result["instructions"] = instructions
    return msgspec.json.encode(result)
