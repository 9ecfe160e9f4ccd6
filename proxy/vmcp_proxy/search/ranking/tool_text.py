"""What a search reads of a tool: the texts of its descriptor, within bounds."""

from typing import Final

import msgspec

from vmcp_proxy.protocol.surrogates import decode_members

MAX_NAME: Final = 256
"""Characters of a name, a title, a server's or an argument's name that are read."""
MAX_DESCRIPTION: Final = 4_000
"""Characters of a description that are read; what comes later is hardly ever about what the tool is for."""
MAX_ARGUMENTS: Final = 64
"""Arguments of a tool that are read, in their order."""

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ToolText(msgspec.Struct, frozen=True, gc=False):
    """The texts of one tool that are searched; `server` is the name of its backend, empty for a tool of none."""

    name: str
    title: str
    description: str
    arguments: tuple[str, ...]
    server: str


def read_tool_text(raw: bytes, server: str) -> ToolText:
    """The texts of a descriptor (MCP's `Tool`), each up to its bound, without what is of a wrong type."""
    members = _members(raw)
    schema = _members(members.get("inputSchema"))
    title = _text(members.get("title"), MAX_NAME) or _text(_members(members.get("annotations")).get("title"), MAX_NAME)
    arguments = [
        name[:MAX_NAME] for name, _ in zip(_members(schema.get("properties")), range(MAX_ARGUMENTS), strict=False)
    ]
    return ToolText(
        name=_text(members.get("name"), MAX_NAME),
        title=title,
        description=_text(members.get("description"), MAX_DESCRIPTION),
        arguments=tuple(arguments),
        server=server[:MAX_NAME],
    )


def _members(raw: msgspec.Raw | bytes | None) -> dict[str, msgspec.Raw]:
    if raw is None:
        return {}
    try:
        return decode_members(raw)
    except _UNREADABLE:
        return {}


def _text(raw: msgspec.Raw | None, limit: int) -> str:
    # A text is read as the name of a member, whose lone surrogates are taken (RFC 8259, section 8.2).
    if raw is None:
        return ""
    return next(iter(_members(b"{" + bytes(raw) + b":0}")), "")[:limit]
