"""Finds every broken rule in a model."""

from collections.abc import Iterator, Mapping
from typing import Any

from vmcp_api.base import Model
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.rules.rule import Finding
from vmcp_api.rules.table import RULES


def check_rules(value: Model) -> Problems:
    """Problems of a valid model's parts with each other and of repeated entries, one for each place."""
    found: dict[Loc, Problem] = {}
    for loc, part in _parts((), value):
        for finding in (*_repeated(part), *_broken(part)):
            problem = _problem(loc, finding)
            found.setdefault(problem.loc, problem)
    return Problems(tuple(found.values()))


def _problem(loc: Loc, finding: Finding) -> Problem:
    place, text = finding
    message, _, remedy = text.partition("; ")
    return Problem(message=message, remedy=remedy, loc=(*loc, *place))


def _broken(part: Model) -> Iterator[Finding]:
    for rule in RULES:
        if isinstance(part, rule.model):
            yield from rule.find(part)


def _repeated(part: Model) -> Iterator[Finding]:
    """Entries that a list of type ``set`` or ``map`` holds twice, as the API server would find them."""
    for name, info in type(part).model_fields.items():
        extra = info.json_schema_extra
        if not isinstance(extra, dict) or "x-kubernetes-list-type" not in extra:
            continue
        words = extra.get("x-kubernetes-list-map-keys")
        keys = words if isinstance(words, list) else []
        said = "stands in the list twice; remove one of the two"
        if keys:
            said = f"has the same {' and '.join(map(str, keys))} as an earlier entry; make one entry of the two"
        seen: set[Any] = set()
        for index, entry in enumerate(getattr(part, name)):
            key = _entry_key(entry, keys)
            if key in seen:
                yield (info.alias or name, index), said
            seen.add(key)


def _entry_key(entry: Any, keys: list[Any]) -> Any:
    if not keys:
        return entry
    by_alias = {info.alias: name for name, info in type(entry).model_fields.items()}
    return tuple(getattr(entry, by_alias[key]) for key in keys)


def _parts(loc: Loc, value: Any) -> Iterator[tuple[Loc, Model]]:
    """Every model within a value, the value itself first, with its place."""
    if isinstance(value, Model):
        yield loc, value
        for name, info in type(value).model_fields.items():
            yield from _parts((*loc, info.alias or name), getattr(value, name))
    elif isinstance(value, tuple):
        for index, entry in enumerate(value):
            yield from _parts((*loc, index), entry)
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _parts((*loc, key), entry)
