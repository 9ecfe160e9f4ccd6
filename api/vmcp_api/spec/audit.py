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
