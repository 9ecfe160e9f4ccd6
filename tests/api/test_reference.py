"""The reference pages: complete, and the same as the committed files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vmcp_api.__main__ import main
from vmcp_api.config import ProxyConfig
from vmcp_api.generate.reference import build_pages
from vmcp_api.generate.schema import build_schema
from vmcp_api.kinds import KINDS
from vmcp_api.rules import RULES
from vmcp_api.text.forms import FORMS

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def patterns(schema: dict[str, Any]) -> Iterator[str]:
    if "pattern" in schema:
        yield schema["pattern"]
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in inner:
        if isinstance(part, dict):
            yield from patterns(part)


def test_the_committed_pages_are_those_of_the_models():
    for name, text in build_pages().items():
        assert (PAGES / name).read_text(encoding="utf-8") == text, f"run: python -m vmcp_api reference ({name})"


def test_every_pattern_has_words_and_every_word_a_pattern():
    used = {pattern for model in (*KINDS.values(), ProxyConfig) for pattern in patterns(build_schema(model))}
    assert used == set(FORMS)


def test_every_row_of_a_page_has_a_type_and_a_description():
    pages = build_pages()
    # Of words, not of fields.
    del pages["conditions.md"]
    for name, text in pages.items():
        rows = [line for line in text.splitlines() if line.startswith("| `")]
        assert rows, name
        for row in rows:
            cells = [cell.strip() for cell in row.replace("\\|", "/").strip("|").split("|")]
            assert len(cells) == 5, row
            assert cells[1], row
            assert cells[4], row


def test_every_rule_stands_on_a_page():
    pages = "".join(build_pages().values())
    for rule in RULES:
        assert rule.message in pages


def test_the_generator_writes_its_files_and_says_how_to_call_it(tmp_path, capsys):
    assert main(["reference", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(build_pages())
    assert main(["crds", str(tmp_path)]) == 0
    assert (tmp_path / "virtualmcpservers.yaml").exists()
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
