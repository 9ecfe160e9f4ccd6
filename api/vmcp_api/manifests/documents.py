"""Manifests in YAML as documents that know their file and line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vmcp_api.base import Json
from vmcp_api.editor.text import is_server_file
from vmcp_api.kinds import KINDS
from vmcp_api.manifests import toolhive
from vmcp_api.manifests.problems import Loc, Problem, Problems, shorten
from vmcp_api.naming import API_VERSION, GROUP, REFERENCE_GROUP
from vmcp_api.text.suggest import suggest
from vmcp_api.text.yaml_text import YamlDocument, parse_yaml

_SERVER_FILE: Final = Problems.of(
    Problem("is an editor's server file and no manifest", "give it with --mcp-config", line=1)
)
_EMPTY: Final = Problems.of(Problem("holds no object", "write one, or begin with what `vmcp init` writes", line=1))
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
    empty: list[str] = []
    for source in sources:
        if is_server_file(source.text):
            problems += _SERVER_FILE.in_file(source.file)
            continue
        before = len(items)
        parts, unreadable = parse_yaml(source.text)
        problems += unreadable.in_file(source.file)
        for part in _objects(parts):
            ours, foreign = _as_ours(part)
            problems += foreign.in_file(source.file)
            document = _identify(ours, source.file)
            if isinstance(document, Problems):
                problems += document.in_file(source.file)
                continue
            first = items.setdefault((document.kind, document.namespace, document.name), document)
            if first is not document:
                problems += Problems.of(document.place(_declared_twice(first)))
        if len(items) == before:
            empty.append(source.file)
    if not items and not problems:
        problems += Problems.join(_EMPTY.in_file(file) for file in empty)
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


def _as_ours(part: YamlDocument) -> tuple[YamlDocument, Problems]:
    """A resource of the reference system as one of ours, so that all that is to be changed is told at once."""
    data = part.data
    if not isinstance(data, dict):
        return part, Problems()
    kind, written = data.get("kind"), data.get("apiVersion")
    group = written.partition("/")[0] if isinstance(written, str) else ""
    if group != REFERENCE_GROUP or not isinstance(kind, str) or kind not in KINDS:
        return part, Problems()
    remedy = f"change apiVersion to {API_VERSION}, or run `vmcp convert`"
    told = _at(part, ("apiVersion",), f"{group} is another product's group", remedy)
    lines = ((each, part.lines.get(each.loc, part.line)) for each in toolhive.find_differences(kind, data))
    told += Problems(tuple(replace(each, line=line) for each, line in lines))
    return replace(part, data={**data, "apiVersion": API_VERSION}), told.about(kind)


def _declared_twice(first: Document) -> Problem:
    return Problem(f"is declared twice, first at {first.file}:{first.line}", "remove one of the two")


def _identify(part: YamlDocument, file: str) -> Document | Problems:
    if part.data is None:
        return Problems()
    if not isinstance(part.data, dict):
        return _at(part, (), "is no object", "write apiVersion, kind, metadata and spec")
    if problems := _check_type(part, part.data):
        return problems
    if problems := _check_metadata(part, part.data.get("metadata")):
        return problems.about(str(part.data["kind"]))
    # The checks have seen to it that there are texts.
    metadata: Any = part.data["metadata"]
    return Document(
        file=file,
        line=part.line,
        api_version=str(part.data["apiVersion"]),
        kind=str(part.data["kind"]),
        name=metadata["name"],
        namespace=metadata.get("namespace") or "default",
        data=part.data,
        lines=part.lines,
    )


def _check_metadata(part: YamlDocument, metadata: Json) -> Problems:
    """What is wrong with the metadata of an object, as far as they say which one it is."""
    if metadata is not None and not isinstance(metadata, dict):
        remedy = "write name: …, with a blank after the colon, under it"
        return _at(part, ("metadata",), "must be a mapping", remedy)
    written = metadata or {}
    problems = _check_text(part, ("metadata", "name"), written.get("name"), "add it")
    if problems or not written.get("namespace"):
        return problems
    return _check_text(part, ("metadata", "namespace"), written["namespace"], "add it")


def _check_text(
    part: YamlDocument, loc: Loc, written: Json, absent: str, other: str = "put the value in quotes"
) -> Problems:
    """What is wrong with a text that has to be there."""
    if written is None:
        return _at(part, loc, "is required", absent)
    if not isinstance(written, str):
        return _at(part, loc, "must be text", other)
    return Problems() if written else _at(part, loc, "is empty", "write one")


def _example(key: str) -> str:
    return API_VERSION if key == "apiVersion" else "VirtualMCPServer"


def _check_type(part: YamlDocument, data: Mapping[str, Json]) -> Problems:
    """What is wrong with the type of an object; nothing for those that are read."""
    for key in ("apiVersion", "kind"):
        remedies = (f"add it, such as {key}: {_example(key)}", f"write text such as {_example(key)}")
        if problems := _check_text(part, (key,), data.get(key), *remedies):
            return problems
    return _check_kind(part, str(data["apiVersion"]), str(data["kind"]))


def _check_kind(part: YamlDocument, api_version: str, kind: str) -> Problems:
    group = api_version.partition("/")[0]
    if api_version == "v1" and kind in CORE_KINDS:
        return Problems()
    if group == REFERENCE_GROUP or (group == GROUP and kind not in KINDS):
        remedy = toolhive.KINDS.get(kind) or suggest(kind, KINDS, noun="kinds")
        return _at(part, ("kind",), f"{GROUP} has no kind {shorten(kind)!r}", remedy)
    if group == GROUP and api_version != API_VERSION:
        remedy = f"write {API_VERSION}"
        return _at(part, ("apiVersion",), "is no version that is served", remedy).about(kind)
    if group == GROUP:
        return Problems()
    ignored = _at(part, ("kind",), f"{kind} is not read here", "nothing to do; only a cluster uses it")
    return ignored.as_warnings()


def _at(part: YamlDocument, loc: Loc, message: str, remedy: str) -> Problems:
    return Problems.of(Problem(message, remedy, loc, line=part.lines.get(loc, part.line)))
