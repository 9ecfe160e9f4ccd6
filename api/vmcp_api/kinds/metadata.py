"""The metadata of an object, open to what Kubernetes adds to it."""

from typing import Annotated

from pydantic import ConfigDict, Field

from vmcp_api.base import Model, Name


class ObjectMeta(Model):
    """Name, namespace and marks of an object; keys that nothing here reads are passed over."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[Name, Field(description="Name of the object.")]
    namespace: Annotated[Name, Field(description="Namespace of the object.")] = "default"
    labels: Annotated[dict[str, str], Field(description="Labels.")] = Field(default_factory=dict)
    annotations: Annotated[dict[str, str], Field(description="Annotations.")] = Field(default_factory=dict)
    uid: Annotated[str | None, Field(description="Identity of this very object.")] = None
    generation: Annotated[int, Field(description="Number of the specification, counted by Kubernetes.")] = 0
