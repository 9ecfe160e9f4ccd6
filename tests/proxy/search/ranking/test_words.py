import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from vmcp_proxy.search.ranking import words as module
from vmcp_proxy.search.ranking.stems import Stems, content_words
from vmcp_proxy.search.ranking.words import MAX_WORD, PART, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("create_pull_request", ["create", "pull", "request"]),
        ("createPullRequest", ["create", "pull", "request", "createpullrequest"]),
        ("HTTPServer2", ["http", "server2", "httpserver2"]),
        ("GitHub", ["git", "hub", "github"]),
        ("list-files.v2/all:now", ["list", "files", "v2", "all", "now"]),
        ("Search", ["search"]),
        ("SQL", ["sql"]),
        ("ein Café für Österreich", ["ein", "cafe", "fur", "osterreich"]),
        ("\uff34\uff4f\uff4f\uff4c \u2460", ["tool", "1"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
    ],
)
def test_names_are_split_at_case_and_punctuation_and_accents_are_folded(text, words):
    assert list(split_words(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("创建文件", ["创建", "建文", "文件"]),
        ("ファイルを削除", ["ファ", "ァイ", "イル", "ルを", "を削", "削除"]),
        ("파일 삭제", ["파일", "삭제"]),
        ("PDF文件をexport", ["pdf", "文件", "件を", "export"]),
        ("図", ["図"]),
    ],
)
def test_scripts_without_spaces_are_read_by_twos(text, words):
    assert list(split_words(text)) == words


def test_a_word_that_is_longer_than_any_of_a_language_is_left_out():
    assert list(split_words(f"before {'a' * (MAX_WORD + 1)} after")) == ["before", "after"]


def test_a_word_that_grows_when_it_is_folded_stays_within_its_bound():
    assert [len(word) for word in split_words("\u00df" * MAX_WORD)] == [MAX_WORD]


def test_one_character_that_stands_for_many_does_not_multiply_the_text():
    text = "\ufdfa" * 4000
    assert len(unicodedata.normalize("NFKD", text)) == 18 * 4000
    assert sum(len(word) for word in split_words(text)) <= 2 * 4000


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301" * 2000 + "\u0323" * 1999,
        "\u0301\u0323" * 2000,
        "\uff9e\u0301" * 2000,
        "e\u0301 " * 1333,
        " \u0301" * 2000,
    ],
)
def test_marks_that_follow_each_other_are_put_in_order_a_few_at_a_time(monkeypatch, text):
    class Counting:
        lengths: ClassVar[list[int]] = []

        @staticmethod
        def normalize(form, given):
            Counting.lengths.append(len(given))
            return unicodedata.normalize(form, given)

    monkeypatch.setattr(module, "unicodedata", Counting)
    list(split_words(text))
    assert sum(length**2 for length in Counting.lengths) <= 3 * len(text) * (2 * PART)


@pytest.mark.parametrize("letter", ["\u00e9", "e\u0301", "\u30d5\u309a"])
def test_where_a_part_of_a_long_text_ends_no_word_is_torn(letter):
    said = " ".join(f"r{letter}sum{letter}{at}" for at in range(500))
    assert list(split_words(said)) == [word for each in said.split() for word in split_words(each)]


def test_what_has_no_space_for_long_is_not_joined_to_the_word_before_it():
    text = "\u00e9t\u00e9 ab " + "-" * 200 + "cd " + "\u0301" * 200 + "ef"
    assert list(split_words(text)) == ["ete", "ab", "cd", "ef"]


def test_forms_of_a_word_are_one_term_and_stop_words_are_none():
    stems = Stems()
    words = content_words("List the issues that were listed by listing an issue")
    assert [stems.of(word) for word in words] == ["list", "issu", "list", "list", "issu"]


def test_documents_share_their_terms():
    stems = Stems()
    assert stems.of("listing") is stems.of("lists")


def test_a_stem_is_the_same_whichever_word_came_before():
    # The stem of a stem may be another one: "university" is "univers", which as a word of its own stays so or not.
    def stem_after(*words):
        stems = Stems()
        return [stems.of(word) for word in words][-1]

    for word in ("generously", "organization", "university", "easily", "caresses"):
        stem = stem_after(word)
        assert stem_after(stem, word) == stem
        assert stem_after(word, stem) == stem_after(stem)


def test_stems_may_be_asked_from_several_threads():
    words = [f"{letter}{ending}" for letter in "abcdefgh" for ending in ("nations", "running", "tories", "mally")] * 50
    alone = [Stems().of(word) for word in words]
    stems = Stems()
    with ThreadPoolExecutor(4) as pool:
        assert all(each == alone for each in pool.map(lambda _: [stems.of(word) for word in words], range(8)))
