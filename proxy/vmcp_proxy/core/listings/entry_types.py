"""What MCP 2025-11-25 says of the members of listed entries (schema.ts of that revision).

One decoder run by these types tells that an entry can be relayed as it is. They are stricter than the schema in one
place, `size`, which counts bytes and which clients read as a whole number, and laxer in another: an `inputSchema` may
leave its `type` out, as `{}` does. What they do not name may be anything.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias, cast

import msgspec

from vmcp_proxy.protocol.kinds import Kind


class _Object(msgspec.Struct, frozen=True, gc=False):
    """An object of any members."""


class _Icon(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    src: str
    mime_type: str = ""
    sizes: tuple[str, ...] = ()
    theme: Literal["light", "dark"] = "light"


class _Annotations(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    audience: tuple[Literal["user", "assistant"], ...] = ()
    priority: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    last_modified: str = ""


class _ToolAnnotations(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    title: str = ""
    read_only_hint: bool = False
    destructive_hint: bool = False
    idempotent_hint: bool = False
    open_world_hint: bool = False


class _ToolExecution(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    task_support: Literal["forbidden", "optional", "required"] = "forbidden"


class _InputSchema(msgspec.Struct, frozen=True, gc=False):
    type: Literal["object"] = "object"
    dialect: str = msgspec.field(name="$schema", default="")
    properties: dict[str, _Object] = msgspec.field(default_factory=dict)
    required: tuple[str, ...] = ()


class _OutputSchema(msgspec.Struct, frozen=True, gc=False):
    type: Literal["object"]
    dialect: str = msgspec.field(name="$schema", default="")
    properties: dict[str, _Object] = msgspec.field(default_factory=dict)
    required: tuple[str, ...] = ()


class _PromptArgument(msgspec.Struct, frozen=True, gc=False):
    name: str
    title: str = ""
    description: str = ""
    required: bool = False


_NO_OBJECT: Final = _Object()
_NO_SCHEMA: Final = _OutputSchema("object")
_NO_ANNOTATIONS: Final = _Annotations()
_NO_TOOL_ANNOTATIONS: Final = _ToolAnnotations()
_NO_EXECUTION: Final = _ToolExecution()


class _Listed(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    title: str = ""
    description: str = ""
    icons: tuple[_Icon, ...] = ()
    meta: _Object = msgspec.field(name="_meta", default=_NO_OBJECT)


class _Tool(_Listed, frozen=True, gc=False, kw_only=True, rename="camel"):
    key: str = msgspec.field(name="name")
    input_schema: _InputSchema
    annotations: _ToolAnnotations = _NO_TOOL_ANNOTATIONS
    execution: _ToolExecution = _NO_EXECUTION
    output_schema: _OutputSchema = _NO_SCHEMA


class _Readable(_Listed, frozen=True, gc=False, kw_only=True, rename="camel"):
    name: str
    mime_type: str = ""
    annotations: _Annotations = _NO_ANNOTATIONS


class _Resource(_Readable, frozen=True, gc=False, kw_only=True, rename="camel"):
    key: str = msgspec.field(name="uri")
    size: int = 0


class _ResourceTemplate(_Readable, frozen=True, gc=False, kw_only=True, rename="camel"):
    key: str = msgspec.field(name="uriTemplate")


class _Prompt(_Listed, frozen=True, gc=False, kw_only=True, rename="camel"):
    key: str = msgspec.field(name="name")
    arguments: tuple[_PromptArgument, ...] = ()


Entry: TypeAlias = _Tool | _Resource | _ResourceTemplate | _Prompt
"""An entry whose members have their types; `key` is the member that names it."""

DECODE_ENTRY: Final[Mapping[Kind, Callable[[bytes], Entry]]] = MappingProxyType(
    {
        Kind.TOOL: msgspec.json.Decoder(_Tool).decode,
        Kind.RESOURCE: msgspec.json.Decoder(_Resource).decode,
        Kind.TEMPLATE: msgspec.json.Decoder(_ResourceTemplate).decode,
        Kind.PROMPT: msgspec.json.Decoder(_Prompt).decode,
    }
)
"""Decoders of one entry's JSON. They refuse more than does not fit: null in optional members, and lone surrogates."""

ENTRY_SHAPES: Final[Mapping[Kind, msgspec.inspect.StructType]] = MappingProxyType(
    {
        kind: cast("msgspec.inspect.StructType", msgspec.inspect.type_info(model))
        for kind, model in (
            (Kind.TOOL, _Tool),
            (Kind.RESOURCE, _Resource),
            (Kind.TEMPLATE, _ResourceTemplate),
            (Kind.PROMPT, _Prompt),
        )
    }
)
"""The same types, to be walked."""
