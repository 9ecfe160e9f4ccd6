"""Manifest files become validated resources by namespace."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmcp_api.kinds import KINDS, MCPToolConfig, VirtualMCPServer
from vmcp_api.kinds.foreign.core import parse_config_map, parse_secret
from vmcp_api.manifests.documents import Document, Documents, Source, parse_documents
from vmcp_api.manifests.file_checks import find_lost, find_shared_names
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import AnyObject, Resources, build_resources
from vmcp_api.manifests.validate import validate


@dataclass(frozen=True, slots=True)
class Loaded:
    """What some files declare, and every problem of the files with file and line.

    Resources are complete only when ``problems.errors`` is empty.
    """

    namespaces: Mapping[str, Resources]
    problems: Problems
    documents: Documents

    def virtual_servers(self) -> tuple[tuple[str, str], ...]:
        """(namespace, name) of every VirtualMCPServer, sorted."""
        return tuple(
            sorted(
                (namespace, name)
                for namespace, resources in self.namespaces.items()
                for name in resources.of(VirtualMCPServer)
            )
        )

    def place(self, problems: Problems, namespace: str) -> Problems:
        """Problems found later (rendering), with file and line."""
        return self.documents.place(problems, namespace)


def load(sources: Iterable[Source]) -> Loaded:
    """Parse and validate manifest files; all problems are found, not only the first."""
    documents = parse_documents(sources)
    problems = documents.problems
    objects: list[AnyObject] = []
    for document in documents.items:
        parsed = _parse(document)
        if isinstance(parsed, Problems):
            problems += Problems(tuple(document.place(problem) for problem in parsed))
            continue
        objects.append(parsed)
        if isinstance(parsed, VirtualMCPServer | MCPToolConfig):
            problems += Problems(tuple(document.place(problem) for problem in find_shared_names(parsed)))
    names = sorted({document.namespace for document in documents.items})
    namespaces = {name: build_resources(name, objects, reads_secrets=True) for name in names}
    if not problems.errors:
        # With errors an object may be missing only because it could not be read.
        for name in names:
            problems += documents.place(find_lost(namespaces, name), name)
    return Loaded(namespaces, problems, documents)


def _parse(document: Document) -> AnyObject | Problems:
    match document.kind:
        case "Secret":
            return parse_secret(document.name, document.namespace, document.data)
        case "ConfigMap":
            return parse_config_map(document.name, document.namespace, document.data)
        case kind:
            return validate(KINDS[kind], dict(document.data))
