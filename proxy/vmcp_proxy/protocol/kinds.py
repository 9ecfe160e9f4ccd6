"""The kinds of capability that MCP servers list, and how lists of each stand on the wire."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec


class Kind(StrEnum):
    """The four kinds of capability that MCP servers list."""

    TOOL = "tool"
    RESOURCE = "resource"
    TEMPLATE = "template"
    PROMPT = "prompt"


class Wire(msgspec.Struct, frozen=True, gc=False):
    """How a kind stands on the wire: its list method, the result's member, the member that names an entry."""

    list_method: str
    result_key: str
    member: str


WIRE: Final[Mapping[Kind, Wire]] = MappingProxyType(
    {
        Kind.TOOL: Wire("tools/list", "tools", "name"),
        Kind.RESOURCE: Wire("resources/list", "resources", "uri"),
        Kind.TEMPLATE: Wire("resources/templates/list", "resourceTemplates", "uriTemplate"),
        Kind.PROMPT: Wire("prompts/list", "prompts", "name"),
    }
)
