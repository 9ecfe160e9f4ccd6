"""What a modern request says of itself: in `_meta`, and over HTTP in headers too; pure."""

from typing import Final

import msgspec

from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.methods import LOG_LEVELS
from vmcp_proxy.protocol.modern.envelope import NAMED_BY
from vmcp_proxy.protocol.modern.envelope_keys import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION
from vmcp_proxy.protocol.modern.header_values import encode_header_value
from vmcp_proxy.protocol.modern.param_headers import ParamHeaders, headers_for
from vmcp_proxy.protocol.params import InvalidParamsError, Members
from vmcp_proxy.protocol.versions import MODERN

_META: Final = "_meta"
_TOOL_CALL: Final = "tools/call"


class Envelope:
    """The `_meta` of requests that are made for one client; `capabilities` are its, as backends hear of them."""

    __slots__ = ("_own",)

    def __init__(self, capabilities: bytes, software_version: str) -> None:
        info = msgspec.json.encode({"name": "vmcp", "version": software_version})
        self._own: Final[Members] = {
            PROTOCOL_VERSION: params.raw_text(MODERN),
            CLIENT_INFO: msgspec.Raw(info),
            CLIENT_CAPABILITIES: msgspec.Raw(capabilities),
        }

    def around(self, members: Members, log_level: str | None) -> bytes:
        """The params with the envelope; the rest of their `_meta` stays."""
        try:
            meta = params.parse_members(members.get(_META))
        except InvalidParamsError:
            meta = {}
        level = {LOG_LEVEL: params.raw_text(log_level)} if log_level in LOG_LEVELS else {}
        return params.encode_members({**members, _META: msgspec.Raw(params.encode_members(meta | self._own | level))})


def headers_of(method: str, members: Members, declared: ParamHeaders) -> OutgoingHeaders:
    """What a request repeats of its body; `declared` are the arguments of the tool that travel as headers."""
    named = [(b"Mcp-Method", method.encode())]
    member = NAMED_BY.get(method)
    if member is not None:
        try:
            named.append((b"Mcp-Name", encode_header_value(params.text_of(members, member))))
        except (InvalidParamsError, UnicodeEncodeError):
            # The server says what is wrong with it.
            return tuple(named)
    return (*named, *headers_for(declared, members.get("arguments"))) if method == _TOOL_CALL else tuple(named)
