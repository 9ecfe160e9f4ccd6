"""The objects of one namespace, by kind and name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from vmcp_api.kinds import MCPGroup, MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.core import ConfigMap, Secret

AnyObject: TypeAlias = VirtualMCPServer | MCPGroup | MCPServer | MCPServerEntry | ConfigMap | Secret

ObjectT = TypeVar("ObjectT", bound=AnyObject)


@dataclass(frozen=True, slots=True)
class Resources:
    """Objects of one namespace; ``secrets`` is ``None`` where nobody may read Secrets, as in the operator.

    ``is_whole`` says that nothing of the namespace is left out, so that what is not here does not exist. The operator
    reads what it was asked for by name and no more.
    """

    namespace: str
    virtual_servers: Mapping[str, VirtualMCPServer] = field(default_factory=dict)
    groups: Mapping[str, MCPGroup] = field(default_factory=dict)
    servers: Mapping[str, MCPServer] = field(default_factory=dict)
    entries: Mapping[str, MCPServerEntry] = field(default_factory=dict)
    config_maps: Mapping[str, ConfigMap] = field(default_factory=dict)
    secrets: Mapping[str, Secret] | None = None
    is_whole: bool = False


def build_resources(namespace: str, objects: Iterable[AnyObject], *, reads_secrets: bool) -> Resources:
    """Index the objects of one namespace; those of other namespaces are passed over."""
    own = [thing for thing in objects if _namespace(thing) == namespace]
    return Resources(
        namespace=namespace,
        virtual_servers=_index(own, VirtualMCPServer),
        groups=_index(own, MCPGroup),
        servers=_index(own, MCPServer),
        entries=_index(own, MCPServerEntry),
        config_maps=_index(own, ConfigMap),
        secrets=_index(own, Secret) if reads_secrets else None,
        is_whole=True,
    )


def _index(objects: Iterable[AnyObject], kind: type[ObjectT]) -> dict[str, ObjectT]:
    return {_name(thing): thing for thing in objects if isinstance(thing, kind)}


def _name(thing: AnyObject) -> str:
    return thing.name if isinstance(thing, ConfigMap | Secret) else thing.metadata.name


def _namespace(thing: AnyObject) -> str:
    return thing.namespace if isinstance(thing, ConfigMap | Secret) else thing.metadata.namespace
