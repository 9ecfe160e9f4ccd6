from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.search.ranking.tools import descriptor, found, installed_table, read, text
from tests.support.examples import examples
from vmcp_proxy.search.ranking.analysis import MAX_QUERY, MAX_QUERY_TERMS, Analyzer
from vmcp_proxy.search.ranking.index import Index
from vmcp_proxy.search.ranking.tool_text import ToolText

HONEST = [
    text("send_mail", "Send a mail to somebody.", "to"),
    text("create_invoice", "Create an invoice for a customer.", "customer"),
    text("book_flight", "Book a flight between two cities.", "from", "to"),
]
EVERYTHING = "send mail create invoice customer book flight cities weather file search database message "


def test_a_tool_that_claims_everything_stands_behind_those_that_are_about_it():
    tools = [text("best_tool", EVERYTHING * 200, server="hostile"), *HONEST]
    assert found(tools, "send a mail to a customer")[0] == "send_mail"
    assert found(tools, "create an invoice")[0] == "create_invoice"
    assert found(tools, "book a flight")[0] == "book_flight"


def test_repeating_a_word_brings_no_more_than_the_cap():
    def counted(times):
        return Analyzer().analyze(text("t", "mail " * times)).counts["mail"]

    assert counted(3) == counted(700)


def test_a_hostile_tool_takes_one_place_and_pushes_nobody_out():
    stuffed = read(descriptor("x", EVERYTHING * 100_000, *(f"mail_{i}" for i in range(10_000))), "hostile")
    assert set(found([stuffed, *HONEST], "send mail", limit=2)) >= {"send_mail"}


def test_of_a_long_query_the_beginning_is_read():
    query = Analyzer().query("a " * MAX_QUERY + "mail")
    assert query.weights == {}


def test_a_query_of_thousands_of_words_is_looked_up_in_bounds():
    query = Analyzer().query(" ".join(f"word{i}" for i in range(100_000)), [f"key{i}" for i in range(100_000)])
    assert len(query.weights) == MAX_QUERY_TERMS


def test_a_direction_cannot_be_bought_by_repeating_words():
    once, often = (Analyzer(installed_table()).analyze(text("t", "mail book" + " mail" * n)) for n in (0, 900))
    assert once.vector == often.vector
    assert once.words == often.words


def test_with_vectors_a_tool_that_claims_everything_stands_behind_those_that_are_about_it():
    tools = [text("best_tool", EVERYTHING * 200, server="hostile"), *HONEST]
    assert found(tools, "send a mail to a customer", table=installed_table())[0] == "send_mail"
    assert found(tools, "book a flight", table=installed_table())[0] == "book_flight"


WEIRD = [
    "\u0301" * 5000,
    "\ufdfa" * 5000,
    "\ud83d" * 5000,
    "文" * 5000,
    "a" * 5000,
    "aB" * 2500,
    "\u202e\u0000\ufffe" * 2000,
]


@pytest.mark.parametrize("weird", WEIRD)
def test_whatever_characters_a_tool_is_described_by_it_is_read(weird):
    document = Analyzer(installed_table()).analyze(text(weird, weird, weird, server=weird, title=weird))
    assert len(document.counts) <= 64
    assert len(document.words.sizes) <= 100
    assert len(document.vector) == 2 * installed_table().dimensions
    assert isfinite(document.length)


ANY = st.text(st.characters(), max_size=60)


@settings(max_examples=examples(60))
@given(st.builds(ToolText, ANY, ANY, ANY, st.tuples(ANY, ANY), ANY), ANY, st.lists(ANY, max_size=3))
def test_whatever_is_written_is_searched_and_whatever_is_asked_answered(tool, query, keywords):
    analyzer = Analyzer(installed_table())
    index = Index.build([analyzer.analyze(tool), *(analyzer.analyze(each) for each in HONEST)])
    hits = index.search(analyzer.query(query, keywords), 8)
    assert len({hit.position for hit in hits}) == len(hits)
    assert all(0 < hit.score <= 1.000001 for hit in hits)
