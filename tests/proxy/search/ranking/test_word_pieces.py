import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from vmcp_proxy.search.ranking.static_files import TOKENIZER_FILE
from vmcp_proxy.search.ranking.word_pieces import MAX_PIECES, WordPieces

FILE = Path(find_spec("wordllama").submodule_search_locations[0], TOKENIZER_FILE)
PIECES = WordPieces(json.loads(FILE.read_bytes())["model"]["vocab"])
TOKENIZER = Tokenizer.from_file(str(FILE))

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)


def theirs(word):
    return tuple(TOKENIZER.encode(word, add_special_tokens=False).ids)[:MAX_PIECES]


@pytest.mark.parametrize(
    "word",
    [
        "list",
        "createpullrequest",
        "kubernetes",
        "oauth2",
        "größe",
        "文件",
        "削除",
        "파일",
        "🙂",
        "a",
        "x" * 40,
        "ab" * 20,
    ],
)
def test_the_pieces_of_a_word_are_those_of_the_library_that_the_vocabulary_belongs_to(word):
    assert PIECES.of(word) == theirs(word)


@given(WORDS)
def test_whatever_a_word_is_made_of(word):
    assert PIECES.of(word) == theirs(word)


def test_a_word_of_letters_that_are_spelt_in_bytes_has_no_more_pieces_than_are_read():
    word = "\N{CUNEIFORM SIGN A}" * 40
    assert len(TOKENIZER.encode(word, add_special_tokens=False).ids) > 4 * 40 - 1
    assert len(PIECES.of(word)) == MAX_PIECES


def test_a_lone_surrogate_has_pieces_too():
    assert PIECES.of("a\ud83d")


def test_a_vocabulary_without_a_piece_for_a_character_leaves_it_out():
    assert WordPieces({"\u2581": 0, "a": 1, "\u2581a": 2}).of("ax") == (2,)
    assert WordPieces({"b": 1}).of("x") == (0,)
