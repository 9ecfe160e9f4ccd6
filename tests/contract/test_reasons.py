"""The page of conditions and reasons names those that the code writes, and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmcp_api.generate.reasons import CONDITIONS, REASONS
from vmcp_api.render.reasons import Reason

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("operator/vmcp_operator", "api/vmcp_api/trouble", "api/vmcp_api/render")
ARGUMENT = {
    "Finding": 2,
    "PhaseReason": 1,
    "Trouble": 0,
    "Refusal": 0,
    "Finding.true": 1,
    "Finding.false": 1,
    "Finding.unknown": 1,
    "_Lack": 0,
    "_Absent": 1,
}
"""Where calls take the reason."""

KUBERNETES = frozenset({"ContainerCreating"})
"""Reasons that are the kubelet's own, passed on."""


@pytest.fixture(scope="module")
def trees() -> list[ast.Module]:
    """The code; not for longer than these tests, for searches of the memory go through all of it."""
    paths = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return [ast.parse(path.read_text(encoding="utf-8")) for path in paths]


def constants(trees: list[ast.Module]) -> dict[str, str]:
    """Strings by the names that modules give them."""
    found = {f"Reason.{each.name}": str(each) for each in Reason}
    for tree in trees:
        for node in tree.body:
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(node.value, ast.Constant)
            ):
                found[node.target.id] = str(node.value.value)
    return found


def strings(node: ast.expr, named: dict[str, str]) -> Iterator[str]:
    """What an expression may be, as far as it is written down; `named` are the `constants`."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from (*strings(node.body, named), *strings(node.orelse, named))
        case ast.Name() | ast.Attribute():
            if (name := ast.unparse(node)) in named:
                yield named[name]


def written(trees: list[ast.Module]) -> set[str]:
    """Reasons in calls that make findings, and in the variables `reason` and `waits` that they are handed on by."""
    found, named = set(), constants(trees)
    for tree in trees:
        for node in ast.walk(tree):
            match node:
                case ast.Call():
                    place = ARGUMENT.get(ast.unparse(node.func))
                    if place is not None and len(node.args) > place:
                        found.update(strings(node.args[place], named))
                case ast.Assign(targets=[ast.Name(id="reason" | "waits")]):
                    found.update(strings(node.value, named))
    return {each for each in found if each.isalpha() and each[:1].isupper()} - KUBERNETES


def test_every_reason_that_the_code_writes_is_explained(trees):
    assert written(trees) - set(map(str, REASONS)) == set()
    assert {str(each) for each in Reason} - {"InvalidEntry"} - set(map(str, REASONS)) == set()


def test_every_reason_that_is_explained_is_written_somewhere(trees):
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(map(str, REASONS)) - {each for each in texts if isinstance(each, str)} == set()


def test_every_condition_that_the_code_writes_is_explained_and_no_other(trees):
    by_name = constants(trees)
    literals = {
        text
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("Finding") and node.args
        for text in strings(node.args[0], by_name)
    }
    named = {
        node.value.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and [ast.unparse(each) for each in node.targets] == ["name"]
        and isinstance(node.value, ast.Constant)
    }
    assert (literals | named) - set(CONDITIONS) == set()
    assert set(CONDITIONS) - literals - named == set()
