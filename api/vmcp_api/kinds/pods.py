"""Settings of the pods that the operator creates."""

from typing import Annotated, Any, Final

from pydantic import Field

from vmcp_api.base import Model
from vmcp_api.spec.references import NameRef

DEFAULT_REPLICAS: Final = 1
"""Pods of a resource that names no number; written into it, as an HPA reads a number or fails (ADR-0005)."""

PodTemplateSpec = Annotated[
    dict[str, Any],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
]
"""A partial PodTemplateSpec, merged strategically over the operator's own."""

Quantity = Annotated[
    str,
    Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"),
]
"""An amount of CPU or memory as Kubernetes writes it (``500m``, ``256Mi``)."""

ImagePullSecrets = Annotated[tuple[NameRef, ...], Field(max_length=16)]


class ResourceList(Model):
    """Amounts of CPU and memory."""

    cpu: Annotated[Quantity | None, Field(description="CPU, such as `500m`.")] = None
    memory: Annotated[Quantity | None, Field(description="Memory, such as `256Mi`.")] = None


class ResourceRequirements(Model):
    """What a container may use and what is set aside for it."""

    limits: Annotated[ResourceList, Field(description="Most that it may use.")] = ResourceList()
    requests: Annotated[ResourceList, Field(description="What is set aside for it.")] = ResourceList()


class PodDisruptionBudget(Model):
    """How many pods a voluntary disruption may take away; set one of the two."""

    min_available: Annotated[int | None, Field(ge=0, le=1000, description="Pods that must stay available.")] = None
    max_unavailable: Annotated[int | None, Field(ge=0, le=1000, description="Pods that may be away at a time.")] = None


class LabelSelector(Model):
    """Objects that carry all of these labels."""

    match_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=16, description="Labels that must all be there; none selects everything."),
    ] = Field(default_factory=dict)


class NetworkPeer(Model):
    """Pods that may connect."""

    namespace_selector: Annotated[
        LabelSelector | None, Field(description="Their namespaces; absent means this one.")
    ] = None
    pod_selector: Annotated[
        LabelSelector | None, Field(description="The pods; absent means all of the namespaces.")
    ] = None
