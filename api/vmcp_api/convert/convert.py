"""Manifests of ToolHive as ours (ADR-0053)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from vmcp_api.base import Json
from vmcp_api.convert.across.guarded import keep_guarded
from vmcp_api.convert.across.token_hosts import allow_token_hosts
from vmcp_api.convert.draft import Draft, leaves_of
from vmcp_api.convert.kinds.authorization import convert_authz_config
from vmcp_api.convert.kinds.external_auth import convert_external_auth
from vmcp_api.convert.kinds.oidc import convert_oidc_config
from vmcp_api.convert.kinds.older import convert_entry
from vmcp_api.convert.kinds.remote_proxy import convert_remote_proxy
from vmcp_api.convert.kinds.server import convert_server
from vmcp_api.convert.kinds.telemetry import convert_telemetry_config
from vmcp_api.convert.kinds.virtual_server import convert_virtual_server
from vmcp_api.convert.metadata import convert_type
from vmcp_api.convert.report import Conversion, Converted, Fate, Field, subject_of
from vmcp_api.convert.settle import settle
from vmcp_api.kinds import KINDS
from vmcp_api.manifests import toolhive
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.naming import REFERENCE_GROUP
from vmcp_api.text.suggest import suggest
from vmcp_api.text.yaml_text import YamlDocument, parse_yaml

_STEPS: Final[Mapping[str, Callable[[Draft], None]]] = MappingProxyType(
    {
        "MCPServer": convert_server,
        "MCPServerEntry": convert_entry,
        "MCPRemoteProxy": convert_remote_proxy,
        "VirtualMCPServer": convert_virtual_server,
        "MCPOIDCConfig": convert_oidc_config,
        "MCPAuthzConfig": convert_authz_config,
        "MCPExternalAuthConfig": convert_external_auth,
        "MCPTelemetryConfig": convert_telemetry_config,
    }
)
_BECOMES: Final = MappingProxyType({"MCPRemoteProxy": "MCPServerEntry"})
"""Kinds that are called otherwise here."""


def convert(sources: Iterable[Source]) -> Conversion:
    """All objects of some files: those of ToolHive as ours, all others as they are."""
    objects: list[Converted] = []
    problems = Problems()
    for source in sources:
        parts, unreadable = parse_yaml(source.text)
        problems += unreadable.in_file(source.file)
        for part in parts:
            outcomes = _convert_document(part, source.file)
            if isinstance(outcomes, Problem):
                problems += Problems.of(outcomes)
            else:
                objects += outcomes
    return Conversion(tuple(allow_token_hosts(keep_guarded(_without_doubles(objects)))), problems)


def _convert_document(part: YamlDocument, file: str) -> list[Converted] | Problem:
    data = part.data
    if data is None:
        return []
    if not isinstance(data, dict):
        return Problem("is no object", "write apiVersion, kind, metadata and spec", file=file, line=part.line)
    entries = data.get("items")
    if data.get("kind") != "List" or not isinstance(entries, list):
        return [_convert_object(data, part, (), file)]
    rest = {key: value for key, value in data.items() if key != "items" or not entries}
    why = "is written as documents of their own"
    wrapper = tuple(Field(Fate.CHANGED, loc, None, why, line=_line(part, loc)) for loc in leaves_of(rest))
    converted = [Converted(file, part.line, "List", (), wrapper)]
    for index, entry in enumerate(entries):
        place: Loc = ("items", index)
        if not isinstance(entry, dict):
            line = _line(part, place)
            return Problem("is no object", "write apiVersion, kind, metadata and spec", place, file=file, line=line)
        converted.append(_convert_object(entry, part, place, file))
    return converted


def _convert_object(data: dict[str, Json], part: YamlDocument, place: Loc, file: str) -> Converted:
    kind, written = data.get("kind"), data.get("apiVersion")
    group = written.partition("/")[0] if isinstance(written, str) else ""
    line = _line(part, place)
    if group != REFERENCE_GROUP:
        kept = tuple(Field(Fate.KEPT, (*place, *loc), loc, line=_line(part, (*place, *loc))) for loc in leaves_of(data))
        return Converted(file, line, subject_of(data), (data,), kept)
    draft = Draft(data)
    _convert_kind(draft, kind)
    results = () if draft.refusal else (draft.plain(), *draft.others)
    fields = tuple(
        replace(each, path=(*place, *each.path), line=_line(part, (*place, *each.path))) if each.path else each
        for each in draft.fields()
    )
    return Converted(file, line, subject_of(data), results, fields)


def _convert_kind(draft: Draft, kind: Json) -> None:
    if not isinstance(kind, str) or not kind:
        draft.refuse("is left out: kind says nothing", "write which it is")
        return
    wanted = _BECOMES.get(kind, kind)
    if wanted not in KINDS:
        remedy = toolhive.KINDS.get(kind) or suggest(kind, KINDS, noun="kinds")
        draft.refuse(f"is left out: there is no kind {kind} here", remedy)
        return
    convert_type(draft, wanted)
    _STEPS.get(kind, _nothing)(draft)
    settle(draft, wanted)


def _nothing(_draft: Draft) -> None:
    """All that the kind says is the same here, or unknown."""


def _line(part: YamlDocument, loc: Loc) -> int:
    while loc and loc not in part.lines:
        loc = loc[:-1]
    return part.lines.get(loc, part.line)


def _without_doubles(objects: Iterable[Converted]) -> Iterator[Converted]:
    """The objects, none of whose results has the type and name of a result of another object.

    One that stands in the files twice stays so, which is told by whoever reads the result.
    """
    taken: dict[tuple[str, ...], str] = {}
    for each in objects:
        others = (taken.setdefault(_identity(result), each.subject) for result in each.results)
        other = next((subject for subject in others if subject != each.subject), None)
        yield each if other is None else _leave_out(each, f"is left out: {other} becomes an object of the same name")


def _leave_out(each: Converted, why: str) -> Converted:
    told = (field for field in each.fields if field.path is not None)
    lost = (replace(field, fate=Fate.LOST, to=None, why=why, remedy="rename one of the two") for field in told)
    return replace(each, results=(), fields=tuple(lost))


def _identity(manifest: Mapping[str, Json]) -> tuple[str, ...]:
    metadata = manifest.get("metadata")
    names = metadata if isinstance(metadata, Mapping) else {}
    version = str(manifest.get("apiVersion")).partition("/")[0]
    return version, *map(str, (manifest.get("kind"), names.get("namespace") or "default", names.get("name")))
