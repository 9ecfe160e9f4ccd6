import json
import struct
import sys

import numpy as np
import pytest

from tests.proxy.search.ranking.tools import found, installed_table, text
from vmcp_proxy.search.ranking import static_files
from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.ranking.static_files import TABLE_FILE, TOKENIZER_FILE, Unavailable, read_static_table
from vmcp_proxy.search.ranking.static_table import StaticTable


def write(folder, rows, vocabulary=None, dtype="F16", **head):
    data = np.array(rows, "<f2")
    names = {"\u2581a": 0, "\u2581b": 1} if vocabulary is None else vocabulary
    content = json.dumps(
        head or {"embedding.weight": {"dtype": dtype, "shape": data.shape, "data_offsets": [0, 1]}}
    ).encode()
    for file, written in (
        (TABLE_FILE, struct.pack("<Q", len(content)) + content + data.tobytes()),
        (TOKENIZER_FILE, json.dumps({"model": {"vocab": names}}).encode()),
    ):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(written)
    return folder


def vector(table, *parts):
    return np.frombuffer(table.blend(parts), "<f2").astype(float)


def test_a_text_points_where_its_words_point_together(tmp_path):
    table = read_static_table(write(tmp_path, [[3.0, 0.0], [0.0, 4.0]]))
    assert vector(table, (1.0, ["a"])).tolist() == [1.0, 0.0]
    assert vector(table, (1.0, ["a", "b"])) == pytest.approx([0.6, 0.8], abs=1e-3)


def test_each_text_of_a_blend_counts_by_its_weight_and_not_by_its_words(tmp_path):
    table = read_static_table(write(tmp_path, [[3.0, 0.0], [0.0, 4.0]]))
    assert vector(table, (1.0, ["a"] * 9), (1.0, ["b"])) == pytest.approx([0.7071, 0.7071], abs=1e-3)
    assert vector(table, (0.5, ["a"]), (0.0, ["b"]), (1.0, [])) == pytest.approx([1.0, 0.0], abs=1e-3)


def test_without_words_there_is_no_direction(tmp_path):
    table = read_static_table(write(tmp_path, [[3.0, 0.0], [0.0, 4.0]]))
    assert vector(table).tolist() == [0.0, 0.0]


def test_a_byte_for_each_number_is_enough(tmp_path):
    rows = np.random.default_rng(1).normal(size=(2, 256))
    table = read_static_table(write(tmp_path, rows))
    expected = rows[0] / np.linalg.norm(rows[0])
    assert float(vector(table, (1.0, ["a"])) @ expected) > 0.9999


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ([[1.0, 2.0], [3.0, float("nan")]], {}),
        ([[1.0, 2.0], [3.0, float("inf")]], {}),
        ([[1.0, 2.0]], {}),
        ([[1.0]] * 65_537, {}),
        ([[1.0, 2.0], [3.0, 4.0]], {"dtype": "F32"}),
        ([[1.0, 2.0], [3.0, 4.0]], {"vocabulary": {}}),
        ([[1.0, 2.0], [3.0, 4.0]], {"other.weight": {}}),
        ([[1.0, 2.0], [3.0, 4.0]], {"embedding.weight": {"dtype": "F16", "shape": [3, 2]}}),
        ([[1.0, 2.0], [3.0, 4.0]], {"embedding.weight": {"dtype": "F16", "shape": [2, 0]}}),
        ([[1.0, 2.0], [3.0, 4.0]], {"embedding.weight": {"dtype": "F16", "shape": [-2, -2]}}),
    ],
)
def test_files_that_are_none_of_a_table_are_told_apart_from_a_missing_extra(tmp_path, rows, options):
    read = read_static_table(write(tmp_path, rows, **options))
    assert isinstance(read, Unavailable)
    assert "cannot be read" in read.reason


def test_missing_files_are_told(tmp_path):
    read = read_static_table(tmp_path)
    assert isinstance(read, Unavailable)
    assert "install vmcp-gateway[search] again" in read.reason


@pytest.mark.scenario("T-7")
def test_without_the_extra_the_reason_says_what_to_install(monkeypatch):
    monkeypatch.setattr(static_files, "find_spec", lambda name: None)
    assert static_files.load_static_table() == Unavailable("the extra is not installed; install vmcp-gateway[search]")


def test_the_code_of_the_package_is_not_loaded():
    assert isinstance(installed_table(), StaticTable)
    assert "wordllama" not in sys.modules


TOOLS = [
    text("remove_document", "Erase a document for good."),
    text("get_forecast", "Rain and temperatures of the coming days."),
    text("book_flight", "Reserve a seat on a plane."),
    text("pay_invoice", "Transfer the amount of an open bill."),
]


@pytest.mark.scenario("T-2")
@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("delete a file", "remove_document"),
        ("is it going to be sunny this weekend", "get_forecast"),
        ("travel by aeroplane", "book_flight"),
        ("settle my debts with money", "pay_invoice"),
    ],
)
def test_a_tool_is_found_by_words_that_it_has_none_of(query, best):
    assert best not in found(TOOLS, query)
    assert found(TOOLS, query, table=installed_table())[0] == best


def test_a_tool_without_a_word_has_no_direction():
    document = Analyzer(installed_table()).analyze(text("---", "..."))
    assert not any(document.vector)
    assert found([text("---", "...")], "delete a file", table=installed_table()) == ["---"]


def test_a_query_without_a_word_finds_nothing():
    assert found(TOOLS, "?!", table=installed_table()) == []
    assert Analyzer(installed_table()).query("the of and").vector == b""
