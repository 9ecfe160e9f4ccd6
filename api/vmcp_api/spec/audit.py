"""The audit log."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import Model


class AuditSink(StrEnum):
    """Where audit lines go."""

    STDOUT = "stdout"
    FILE = "file"


class Audit(Model):
    """One JSON line per event; absent means no audit layer in the chain."""

    enabled: Annotated[bool, Field(description="Whether the audit layer is in the chain.")] = False
    sink: Annotated[AuditSink, Field(description="Where lines go.")] = AuditSink.STDOUT
    path: Annotated[str | None, Field(max_length=1024, description="File of the `file` sink.")] = None
    event_types: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=64, description="Event types to write; empty writes all."),
    ] = ()
    exclude_event_types: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=64, description="Event types not to write."),
    ] = ()
    include_claims: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253)], ...],
        Field(
            max_length=16,
            description=(
                "Claims of callers to write with each policy decision, beside those that hold their groups; named as"
                " under `groupClaims`. `vmcp policy test` cannot judge by others."
            ),
        ),
    ] = ()
    include_request_data: Annotated[
        bool,
        Field(
            description=(
                "Whether to write the arguments of a call with its policy decision; those that look like secrets are"
                " left out."
            )
        ),
    ] = False
    max_data_size: Annotated[
        int,
        Field(
            ge=1,
            le=1 << 20,
            description="Bytes of claims, and of arguments, that one event may hold; more is left out.",
        ),
    ] = 4096
