"""The parts of a status that several kinds share."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from vmcp_api.base import Model, list_map


class StatusModel(Model):
    """A part of a status; only the operator writes it, so keys of another release are passed over."""

    model_config = ConfigDict(extra="ignore")


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(StatusModel):
    """One observation about an object."""

    type: Annotated[str, Field(max_length=316, description="What is observed, in CamelCase.")]
    status: Annotated[ConditionStatus, Field(description="Whether it holds.")]
    reason: Annotated[str, Field(max_length=1024, description="Stable word for the cause, in CamelCase.")]
    message: Annotated[str, Field(max_length=32768, description="What is so, and what to do.")] = ""
    last_transition_time: Annotated[
        str,
        Field(
            max_length=40,
            description="When `status` last changed.",
            json_schema_extra={"format": "date-time"},
        ),
    ]
    observed_generation: Annotated[int, Field(ge=0, description="Generation that the observation is about.")] = 0


class WorkloadReference(StatusModel):
    """A resource that refers to settings."""

    kind: Annotated[str, Field(max_length=63, description="Its kind.")]
    name: Annotated[str, Field(max_length=253, description="Its name.")]


class ConfigStatus(StatusModel):
    """What the operator observes of settings that others refer to."""

    observed_generation: Annotated[int | None, Field(ge=0, description="Generation that this status describes.")] = None
    reference_count: Annotated[int | None, Field(ge=0, description="Resources that refer to it.")] = None
    referencing_workloads: Annotated[
        tuple[WorkloadReference, ...],
        Field(max_length=256, description="Which ones.", json_schema_extra=list_map("kind", "name")),
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...],
        Field(max_length=32, description="Observations.", json_schema_extra=list_map("type")),
    ] = ()
