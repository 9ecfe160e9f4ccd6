"""What tests may reach into."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
PARTS = {"wiring", "_wiring"}
"""The attributes by which a proxy hands on its parts."""


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "e2e", "examples"])
def test_only_the_scene_knows_how_a_proxy_is_put_together(folder):
    reaching = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        if SUPPORT not in path.parents
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr in PARTS
    ]
    assert not reaching, "ask `scene().inside`, and give it the question if it does not know it"
