"""Headers that go to backends."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import HeaderName, Model, list_map
from vmcp_api.spec.references import KeyRef


class PassthroughHeaderMode(StrEnum):
    """Which request's headers reach the backends."""

    SESSION = "Session"
    REQUEST = "Request"


class HeaderFromSecret(Model):
    """A header whose value lies in a Secret."""

    header_name: Annotated[HeaderName, Field(description="Header to send.")]
    value_secret_ref: Annotated[KeyRef, Field(description="Secret key with the value.")]


class HeaderForward(Model):
    """Static headers that every request to one backend carries."""

    add_plaintext_headers: Annotated[
        dict[HeaderName, Annotated[str, Field(max_length=8192)]],
        Field(max_length=64, description="Headers with the value in the clear; no credentials here."),
    ] = Field(default_factory=dict)
    add_headers_from_secret: Annotated[
        tuple[HeaderFromSecret, ...],
        Field(
            max_length=64,
            description="Headers with the value in a Secret.",
            json_schema_extra=list_map("headerName"),
        ),
    ] = ()
