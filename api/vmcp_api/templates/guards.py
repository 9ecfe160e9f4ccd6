"""What a template copes with the lack of: it asks whether that is there, or has another value for it."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from vmcp_api.templates.nodes import And, Call, Choice, Compare, Not, Or, path_of
from vmcp_api.templates.statements import Branches, With
from vmcp_api.templates.template import Template


def guarded_paths(template: Template) -> frozenset[tuple[str, ...]]:
    """The paths whose lack is no error where they are tested, compared, or given a default."""
    return frozenset(_guarded_in(template.body))


def _guarded_in(node: object) -> Iterator[tuple[str, ...]]:
    for part in _tolerant(node):
        path = path_of(part)
        if path is not None:
            yield path
    if isinstance(node, tuple):
        for each in node:
            yield from _guarded_in(each)
    elif is_dataclass(node) and not isinstance(node, type):
        for each in fields(node):
            yield from _guarded_in(getattr(node, each.name))


def _tolerant(node: object) -> tuple[object, ...]:  # noqa: PLR0911 - a row for each
    """The parts of a node that may be missing."""
    match node:
        case Call() if node.name in Call.takes_missing:
            return node.arguments
        case And() | Or():
            return node.parts
        case Not():
            return (node.of,)
        case Choice():
            return (node.test,)
        case Compare():
            sides = (node.first, *(other for _, other in node.others))
            return sides if {operator for operator, _ in node.others} <= {"eq", "ne"} else ()
        case Branches():
            return tuple(test for test, _ in node.branches)
        case With():
            return (node.expression,)
    return ()
