"""The base of every model that a person writes: camelCase outside, closed, frozen."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from vmcp_api.headers import TOKEN_PATTERN
from vmcp_api.text.durations import format_duration, validate_duration

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
"""Any JSON value: the one place where ``Any`` stands for data."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A JSON value that stands in a document, null too."""

    value: Json


class Model(BaseModel):
    """A closed, immutable part of a resource or of the config file.

    Python code uses snake_case names; documents are read with ``by_alias=True, by_name=False``, so that
    a snake_case key in a document is an unknown key.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_enum_values=False,
        validate_default=False,
    )


Seconds: TypeAlias = Annotated[
    float,
    BeforeValidator(validate_duration),
    PlainSerializer(format_duration, return_type=str),
    Field(json_schema_extra={"x-duration": True}),
]
"""A duration in seconds, written as in Go and Kubernetes (``500ms``, ``30s``, ``1h30m``)."""

Written: TypeAlias = Annotated[
    Constant | None,
    PlainValidator(lambda written: written if isinstance(written, Constant) else Constant(written)),
    PlainSerializer(lambda constant: constant.value if constant is not None else None),
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True, "nullable": True}),
    Field(exclude_if=lambda constant: constant is None),
]
"""Any JSON value, or None where the field is absent: ``null`` in a document is a value like others."""

JsonObject: TypeAlias = Annotated[
    dict[str, Any],
    Field(max_length=256),
    WithJsonSchema({"type": "object", "maxProperties": 256, "x-kubernetes-preserve-unknown-fields": True}),
]
"""Any JSON object."""

Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""A DNS-1123 subdomain: the name of an object in the same namespace."""

BackendName: TypeAlias = Annotated[str, Field(min_length=1, max_length=63)]
"""The name of a backend as the proxy sees it; in a cluster that of its resource."""

HeaderName: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=128, json_schema_extra={"pattern": TOKEN_PATTERN})
]
"""An HTTP field name (RFC 9110 section 5.1); what may not be forwarded is refused in ``vmcp_api.headers``."""

PORT_PATTERN: Final = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
"""A port from 1 to 65535; part of other patterns."""

URL_PATTERN: Final = rf"^https?://(\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:\[\]]+)(:{PORT_PATTERN})?([/?][^\s#]*)?$"

Url: TypeAlias = Annotated[str, Field(max_length=2048, pattern=URL_PATTERN)]
"""An http or https URL without user name and fragment."""

ShortUrl: TypeAlias = Annotated[str, Field(max_length=1024, pattern=URL_PATTERN)]
"""One of many in a resource: where longer ones could stand, the API server would say a pattern in place of words."""

Bytes: TypeAlias = Annotated[int, Field(ge=1024, le=1 << 30)]
"""A size limit in bytes, 1 KiB to 1 GiB."""

LIST_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
"""Schema words of a list without order or duplicates."""


def list_map(*keys: str) -> dict[str, Any]:
    """Schema words of a list whose entries are told apart by the given fields (camelCase)."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
