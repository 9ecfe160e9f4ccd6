"""Manifests in YAML as documents that know their file and line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vmcp_api.base import Json
from vmcp_api.kinds import KINDS
from vmcp_api.naming import API_VERSION, GROUP, REFERENCE_GROUP
from vmcp_api.problems import Loc, Problem, Problems
from vmcp_api.suggest import suggest
from vmcp_api.yamltext import YamlDocument, parse_yaml

CORE_KINDS: Final = ("Secret", "ConfigMap")
"""Kinds of the core API that references read."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file and the name under which messages speak of it."""

    file: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest, not validated beyond its type and name."""

    file: str
    line: int
    api_version: str
    kind: str
    name: str
    namespace: str
    data: Mapping[str, Json] = field(repr=False)
    lines: Mapping[Loc, int] = field(repr=False)

    @property
    def subject(self) -> str:
        """``Kind/name``, as messages say it."""
        return f"{self.kind}/{self.name}"

    def place(self, problem: Problem) -> Problem:
        """The problem with its subject, file and the line of the nearest place that was written."""
        loc = problem.loc
        while loc not in self.lines and loc:
            loc = loc[:-1]
        line = problem.line or self.lines.get(loc, self.line)
        return replace(problem, subject=self.subject, file=self.file, line=line)


@dataclass(frozen=True, slots=True)
class Documents:
    """Every object of some files, and what is wrong with the files themselves."""

    items: tuple[Document, ...]
    problems: Problems

    def place(self, problems: Problems, namespace: str) -> Problems:
        """The problems with file and line wherever their subject is one of the documents."""
        known = {document.subject: document for document in self.items if document.namespace == namespace}
        return Problems(
            tuple(
                known[problem.subject].place(problem) if problem.subject in known else problem for problem in problems
            )
        )


def parse_documents(sources: Iterable[Source]) -> Documents:
    """The objects of several files; an object that two documents declare is refused."""
    items: dict[tuple[str, str, str], Document] = {}
    problems = Problems()
    for source in sources:
        parts, unreadable = parse_yaml(source.text)
        problems += unreadable.in_file(source.file)
        for part in _objects(parts):
            document = _identify(part, source.file)
            if isinstance(document, Problems):
                problems += document.in_file(source.file)
                continue
            first = items.setdefault((document.kind, document.namespace, document.name), document)
            if first is not document:
                problems += Problems.of(document.place(_declared_twice(first)))
    return Documents(tuple(items.values()), problems)


def _objects(parts: Iterable[YamlDocument]) -> Iterator[YamlDocument]:
    """The documents, with the entries of a ``List`` (as ``kubectl get -o yaml`` writes it) in its place."""
    for part in parts:
        data = part.data
        entries = data.get("items") if isinstance(data, dict) and data.get("kind") == "List" else None
        if not isinstance(entries, list):
            yield part
            continue
        for index, entry in enumerate(entries):
            place = ("items", index)
            lines = {loc[2:]: line for loc, line in part.lines.items() if loc[:2] == place}
            yield YamlDocument(entry, lines[()], lines)


def _declared_twice(first: Document) -> Problem:
    return Problem(f"is declared twice, first at {first.file}:{first.line}", "remove one of the two")


def _identify(part: YamlDocument, file: str) -> Document | Problems:
    if part.data is None:
        return Problems()
    if not isinstance(part.data, dict):
        return _at(part, (), "is no object", "write apiVersion, kind, metadata and spec")
    for key in ("apiVersion", "kind"):
        if not isinstance(part.data.get(key), str) or not part.data[key]:
            return _at(part, (key,), "is required", f"add it, such as {key}: {_example(key)}")
    api_version, kind = str(part.data["apiVersion"]), str(part.data["kind"])
    if problems := _check_type(part, api_version, kind):
        return problems
    metadata = part.data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str) or not name:
        return _at(part, ("metadata", "name"), "is required", "add it").about(kind)
    namespace = metadata.get("namespace")
    return Document(
        file=file,
        line=part.line,
        api_version=api_version,
        kind=kind,
        name=name,
        namespace=namespace if isinstance(namespace, str) and namespace else "default",
        data=part.data,
        lines=part.lines,
    )


def _example(key: str) -> str:
    return API_VERSION if key == "apiVersion" else "VirtualMCPServer"


def _check_type(part: YamlDocument, api_version: str, kind: str) -> Problems:
    """What is wrong with the type of an object; nothing for those that are read."""
    group = api_version.partition("/")[0]
    if api_version == "v1" and kind in CORE_KINDS:
        return Problems()
    if group == REFERENCE_GROUP:
        remedy = f"change apiVersion to {API_VERSION}"
        return _at(part, ("apiVersion",), f"{group} is another product's group", remedy).about(kind)
    if group == GROUP and api_version != API_VERSION:
        remedy = f"write {API_VERSION}"
        return _at(part, ("apiVersion",), "is no version that is served", remedy).about(kind)
    if group == GROUP and kind not in KINDS:
        return _at(part, ("kind",), f"{GROUP} has no such kind", suggest(kind, KINDS, noun="kinds"))
    if group == GROUP:
        return Problems()
    ignored = _at(part, ("kind",), f"{kind} is not read here", "nothing to do; only a cluster uses it")
    return ignored.as_warnings()


def _at(part: YamlDocument, loc: Loc, message: str, remedy: str) -> Problems:
    return Problems.of(Problem(message, remedy, loc, line=part.lines.get(loc, part.line)))
