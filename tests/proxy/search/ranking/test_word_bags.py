import numpy as np
import pytest

from tests.proxy.search.ranking.tools import found, index, installed_table, text
from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.ranking.meaning import Meaning
from vmcp_proxy.search.ranking.vector_index import Cosines
from vmcp_proxy.search.ranking.word_bags import nearness


def near(query, *bags, weights=None):
    table = installed_table()
    read = table.read_query(query, query)
    return nearness(read, weights or [1.0] * len(query), [table.bag(words) for words in bags])


def _many(word):
    return " ".join(f"{word}{number}" for number in range(50))


def test_a_word_is_nearest_to_itself_then_to_what_means_nearly_the_same():
    same, similar, other = near(["delete"], ["delete"], ["remove"], ["weather"])
    assert same > similar > other


def test_one_near_word_is_enough_whatever_stands_beside_it():
    alone, beside = near(["delete"], ["remove", "invoice"], ["weather", "invoice"])
    assert alone > beside


def test_every_word_of_the_query_counts_by_its_weight():
    mails, flights = ["mail", "sender"], ["flight", "airport"]
    first, second = near(["mail", "flight"], mails, flights, weights=[3.0, 1.0])
    assert first > second
    first, second = near(["mail", "flight"], mails, flights, weights=[1.0, 3.0])
    assert first < second


def test_among_many_words_a_near_one_says_less():
    many = ["delete", *(f"word{number}" for number in range(60))]
    few, full = near(["delete"], ["delete", "row"], many)
    assert few > full


def test_a_document_without_words_is_the_farthest():
    assert near(["delete"], [], ["weather"])[0] == -1.0
    assert near(["delete"], []) == [-1.0]
    table = installed_table()
    assert nearness(table.read_query(["a"], ["a"]), [1.0], [None]) == [-1.0]


def test_what_is_compared_at_once_is_as_near_as_what_is_compared_alone():
    bags = [["remove", "file"], ["kubernetes", "createpullrequest"], ["\u6587\u4ef6"], ["x"]]
    together = near(["delete", "cluster", "pull"], *bags)
    assert together == pytest.approx([near(["delete", "cluster", "pull"], bag)[0] for bag in bags], abs=1e-5)


def test_words_that_mean_nearly_the_same_bring_a_tool_forward():
    tools = [
        text("list_all", "Lists pictures, letters, invoices, tickets and calendars of people."),
        text("erase", "Removes a picture."),
        text("send", "Sends letters and tickets."),
    ]
    assert found(tools, "delete a photo", table=installed_table())[0] == "erase"


def test_a_tool_with_a_near_word_for_each_of_the_query_comes_before_one_that_is_nearer_as_a_whole():
    analyzer = Analyzer(installed_table())
    said = ("Erases old images, letters, invoices and songs for ever.", "Image editor and camera.")
    hits = index([text("tool", each) for each in said], analyzer).search(analyzer.query("delete a photo"), 8)
    assert [hit.position for hit in hits] == [0, 1]


def test_both_kinds_of_nearness_say_whether_an_answer_is_weak():
    table = installed_table()
    bags = [table.bag(["weather"]), table.bag(["remove"])]
    meaning = Meaning(Cosines(np.array([0.25, 0.5], np.float32)), table.read_query(["delete"], ["delet"]), [1.0], bags)
    first, second = near(["delete"], ["weather"], ["remove"])
    assert meaning.of([1, 0]) == pytest.approx({0: 0.25 + first, 1: 0.5 + second}, abs=1e-5)


def test_of_a_tool_of_many_words_the_first_are_compared():
    document = Analyzer(installed_table()).analyze(text("t", _many("word"), _many("title"), server=_many("at")))
    assert len(document.words.sizes) == 100


def test_an_index_without_vectors_takes_a_query_that_has_some():
    analyzer = Analyzer()
    documents = index([text("send_mail"), text("read_file")], analyzer)
    assert [hit.position for hit in documents.search(Analyzer(installed_table()).query("mail"), 8)] == [0]
