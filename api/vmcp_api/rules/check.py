"""Finds every broken rule in a model."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from vmcp_api.base import Model
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.rules.rule import Finding, Rule
from vmcp_api.rules.table import RULES

_HOLD_PARTS: Final = (Model, tuple, Mapping)
"""What may hold models, or is one; the rest need not be looked at."""


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
    for rule in _rules_of(type(part)):
        yield from rule.find(part)


@cache
def _rules_of(model: type[Model]) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if issubclass(model, rule.model))


def _repeated(part: Model) -> Iterator[Finding]:
    """Entries that a list of type ``set`` or ``map`` holds twice, as the API server would find them."""
    for name, alias, keys in _lists_of(type(part)):
        said = "stands in the list twice; remove one of the two"
        if keys:
            said = f"has the same {' and '.join(keys)} as an earlier entry; make one entry of the two"
        seen: set[Any] = set()
        for index, entry in enumerate(getattr(part, name)):
            key = _entry_key(entry, keys)
            if key in seen:
                yield (alias, index), said
            seen.add(key)


@cache
def _lists_of(model: type[Model]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Fields that are such lists: name, name in documents, and what tells their entries apart."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and "x-kubernetes-list-type" in extra:
            words = extra.get("x-kubernetes-list-map-keys")
            keys = tuple(map(str, words)) if isinstance(words, list) else ()
            found.append((name, info.alias or name, keys))
    return tuple(found)


def _entry_key(entry: Any, keys: tuple[str, ...]) -> Any:
    if not keys:
        return entry
    by_alias = {info.alias: name for name, info in type(entry).model_fields.items()}
    return tuple(getattr(entry, by_alias[key]) for key in keys)


def _parts(loc: Loc, value: Any) -> Iterator[tuple[Loc, Model]]:
    """Every model within a value, the value itself first, with its place."""
    if isinstance(value, Model):
        yield loc, value
        for name, alias in _fields_of(type(value)):
            inner = getattr(value, name)
            if isinstance(inner, _HOLD_PARTS):
                yield from _parts((*loc, alias), inner)
    elif isinstance(value, tuple):
        for index, entry in enumerate(value):
            if isinstance(entry, _HOLD_PARTS):
                yield from _parts((*loc, index), entry)
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(entry, _HOLD_PARTS):
                yield from _parts((*loc, key), entry)


@cache
def _fields_of(model: type[Model]) -> tuple[tuple[str, str], ...]:
    """Names of the fields, and what they are called in documents."""
    return tuple((name, info.alias or name) for name, info in model.model_fields.items())
