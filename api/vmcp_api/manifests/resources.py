"""The objects of one namespace, by kind and name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

from vmcp_api.kinds import Resource
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.kinds.foreign.lifecycle import GatewayBinding, LifecycleServer
from vmcp_api.manifests.problems import Problems

Foreign: TypeAlias = ConfigMap | Secret | LifecycleServer | GatewayBinding
"""Objects of other API groups, as far as they are read here."""

AnyObject: TypeAlias = Resource | Foreign

ObjectName: TypeAlias = tuple[str, str]
"""Kind and name of an object of the namespace."""

ObjectT = TypeVar("ObjectT", bound=AnyObject)


@dataclass(frozen=True, slots=True)
class Resources:
    """Objects of one namespace; ``of`` finds them.

    ``reads_secrets`` is False where nobody may read Secrets, as in the operator: one that is not here may exist.
    ``is_whole`` says that nothing of the namespace is left out, so that what is not here does not exist. The operator
    reads what it was asked for by name and no more. ``invalid`` are objects that are there and do not validate.
    ``serves_stdio`` says that the cluster's operator runs MCPServers of transport stdio.
    """

    namespace: str
    by_kind: Mapping[type, Mapping[str, AnyObject]] = field(default_factory=dict)
    reads_secrets: bool = False
    is_whole: bool = False
    invalid: Mapping[ObjectName, Problems] = field(default_factory=dict)
    serves_stdio: bool = False

    def of(self, kind: type[ObjectT]) -> Mapping[str, ObjectT]:
        """The objects of one kind by name."""
        return cast("Mapping[str, ObjectT]", self.by_kind.get(kind, {}))


def build_resources(
    namespace: str,
    objects: Iterable[AnyObject],
    *,
    reads_secrets: bool,
    is_whole: bool = True,
    invalid: Mapping[ObjectName, Problems] | None = None,
    serves_stdio: bool = False,
) -> Resources:
    """Index the objects of one namespace; those of other namespaces are passed over."""
    by_kind: dict[type, dict[str, AnyObject]] = {}
    for thing in objects:
        if _namespace(thing) == namespace:
            by_kind.setdefault(type(thing), {})[_name(thing)] = thing
    return Resources(
        namespace,
        by_kind,
        reads_secrets=reads_secrets,
        is_whole=is_whole,
        invalid=invalid or {},
        serves_stdio=serves_stdio,
    )


def _name(thing: AnyObject) -> str:
    return thing.name if isinstance(thing, Foreign) else thing.metadata.name


def _namespace(thing: AnyObject) -> str:
    return thing.namespace if isinstance(thing, Foreign) else thing.metadata.namespace
