"""Settings of the pods that the operator creates."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from vmcp_api.base import Model
from vmcp_api.spec.references import NameRef
from vmcp_api.text.forms import MOST_PODS, NO_SHARE, PERCENT, QUANTITY

DEFAULT_REPLICAS: Final = 1
"""Pods of a resource that names no number; written into it, as an HPA reads a number or fails (ADR-0005)."""

PodTemplateSpec = Annotated[
    dict[str, Any],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
]
"""A partial PodTemplateSpec, merged strategically over the operator's own."""


def _quantity(value: object) -> object:
    """A whole number as its text, as a CRD can say; of a fraction it can not."""
    if isinstance(value, float):
        raise ValueError(f'is a fraction without quotes; write "{value}", or thousandths such as 500m')  # noqa: TRY004 - pydantic reads this one
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _pods_or_percent(value: object) -> int | str:
    if isinstance(value, str) and re.fullmatch(PERCENT, value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_PODS:
        return value
    raise ValueError(NO_SHARE)


Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    Field(max_length=32, pattern=QUANTITY),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 32, "pattern": QUANTITY, "minimum": 0}),
]
"""An amount of CPU or memory as Kubernetes writes it (``500m``, ``256Mi``, ``1``)."""

PodsOrPercent = Annotated[
    int | str,
    PlainValidator(_pods_or_percent),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "pattern": PERCENT, "minimum": 0, "maximum": MOST_PODS}),
]
"""A number of pods, or a share of them in percent."""

ImagePullSecrets = Annotated[tuple[NameRef, ...], Field(max_length=16)]


class ResourceList(Model):
    """Amounts of CPU and memory."""

    cpu: Annotated[Quantity | None, Field(description="CPU, such as `500m` or `2`.")] = None
    memory: Annotated[Quantity | None, Field(description="Memory, such as `256Mi`.")] = None


class ResourceRequirements(Model):
    """What a container may use and what is set aside for it."""

    limits: Annotated[ResourceList, Field(description="Most that it may use.")] = ResourceList()
    requests: Annotated[ResourceList, Field(description="What is set aside for it.")] = ResourceList()


class PodDisruptionBudget(Model):
    """How many pods a voluntary disruption may take away; set one of the two."""

    min_available: Annotated[
        PodsOrPercent | None, Field(description="Pods that must stay available, such as `1` or `50%`.")
    ] = None
    max_unavailable: Annotated[
        PodsOrPercent | None, Field(description="Pods that may be away at a time, such as `1` or `50%`.")
    ] = None


class LabelOperator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelectorRequirement(Model):
    """What a label must be like."""

    key: Annotated[str, Field(min_length=1, max_length=316, description="Name of the label.")]
    operator: Annotated[LabelOperator, Field(description="How it is compared.")]
    values: Annotated[
        tuple[Annotated[str, Field(max_length=63)], ...],
        Field(max_length=16, description="Values of `In` and `NotIn`."),
    ] = ()


class LabelSelector(Model):
    """Objects that carry all of these labels."""

    match_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=16, description="Labels that must all be there; none selects everything."),
    ] = Field(default_factory=dict)
    match_expressions: Annotated[
        tuple[LabelSelectorRequirement, ...], Field(max_length=8, description="What must be so besides.")
    ] = ()


class IPBlock(Model):
    """Addresses of a network."""

    cidr: Annotated[str, Field(max_length=64, description="The network, such as `10.0.0.0/8`.")]
    except_: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(alias="except", max_length=16, description="Networks within it that may not."),
    ] = ()


class NetworkPeer(Model):
    """Who may connect, as in a NetworkPolicy: pods, or a network."""

    namespace_selector: Annotated[
        LabelSelector | None, Field(description="Their namespaces; absent means this one.")
    ] = None
    pod_selector: Annotated[
        LabelSelector | None, Field(description="The pods; absent means all of the namespaces.")
    ] = None
    ip_block: Annotated[IPBlock | None, Field(description="Addresses, beside which there are no selectors.")] = None
