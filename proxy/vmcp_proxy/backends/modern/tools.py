"""The arguments that travel as headers, by tool, as the last list of a backend said; pure."""

from typing import Final

import msgspec

from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.modern.param_headers import ParamHeaders, may_declare, read_param_headers
from vmcp_proxy.protocol.params import InvalidParamsError, Members
from vmcp_proxy.protocol.surrogates import decode_items

_LIST: Final = "tools/list"
_MOST: Final = 10_000
"""Headers of all tools together: a backend may list other tools each time."""


class ToolHeaders:
    """Read off each list that passes; most tools have none.

    One for all clients of a backend: where it lists other tools for some, its refusal brings the right ones, and a
    header too many says nothing but what the body says.
    """

    __slots__ = ("_count", "_declared")

    def __init__(self) -> None:
        self._declared: dict[str, ParamHeaders] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"<ToolHeaders {len(self._declared)} tools>"

    def declared(self, members: Members) -> ParamHeaders:
        """Those of the tool that a call names."""
        if not self._declared:
            return ()
        try:
            return self._declared.get(params.text_of(members, "name"), ())
        except InvalidParamsError:
            return ()

    def take(self, method: str, result: Raw | None) -> None:
        """Reads a result, where it is a list of tools."""
        if method != _LIST or result is None:
            return
        try:
            tools = decode_items(params.parse_members(result).get("tools", b"[]"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidParamsError):
            return
        for tool in tools:
            self._note(bytes(tool))

    def _note(self, tool: bytes) -> None:
        if not self._declared and not may_declare(tool):
            return
        try:
            name = params.text_of(params.parse_members(tool), "name")
        except InvalidParamsError:
            return
        declared = read_param_headers(tool)
        self._count -= len(self._declared.pop(name, ()))
        if isinstance(declared, tuple) and declared and self._count + len(declared) <= _MOST:
            self._declared[name] = declared
            self._count += len(declared)
