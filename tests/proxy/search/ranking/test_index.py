from typing import ClassVar

import pytest

from tests.proxy.search.ranking.tools import found, installed_table, text
from vmcp_proxy.search.ranking import index as module
from vmcp_proxy.search.ranking.analysis import Analyzer, Document, Query
from vmcp_proxy.search.ranking.index import DEPTH, Index, Postings

TOOLS = [
    text("create_issue", "Open a new issue in a repository.", "title", "body", server="github"),
    text("list_issues", "List the issues of a repository.", "repository", "state", server="github"),
    text("send_message", "Send a message to a channel about an issue.", "channel", "text", server="slack"),
    text("get_forecast", "The weather of the coming days.", "city", server="weather"),
]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("creating issues", "create_issue"),
        ("which issues are listed", "list_issues"),
        ("weather forecast for a city", "get_forecast"),
        ("tell the channel something", "send_message"),
        ("slack", "send_message"),
    ],
)
def test_the_tool_that_a_query_is_about_comes_first(query, best):
    assert found(TOOLS, query)[0] == best


def test_a_term_says_most_in_the_name_and_least_as_an_argument():
    tools = [text("a", "Can build.", "deploy"), text("b", "Can deploy.", "build"), text("deploy", "Can build.")]
    assert found(tools, "deploy") == ["deploy", "b", "a"]


def test_a_rare_term_says_more_than_a_common_one():
    tools = [text(f"t{i}", "Reads a file.") for i in range(9)] + [text("t9", "Reads a thermostat.")]
    assert found(tools, "file thermostat")[0] == "t9"


def test_a_query_of_which_hardly_a_word_is_known_finds_all_the_same():
    query = (
        "our customer Meyer complained yesterday evening because nobody answered; look whether it will rain: forecast"
    )
    assert found(TOOLS, query) == ["get_forecast"]


def test_no_more_are_found_than_asked_for_and_none_where_nothing_matches():
    assert len(found(TOOLS, "issue", limit=2)) == 2
    assert found(TOOLS, "quantum") == []
    assert found([], "issue") == []


def test_equal_tools_keep_their_order():
    tools = [text(f"{i}", "Reads a file.") for i in (3, 1, 2)]
    assert found(tools, "file") == ["3", "1", "2"]


def test_a_keyword_weighs_more_than_a_word_of_the_text():
    tools = [text("a", "Sends mails."), text("b", "Sends letters.")]
    assert found(tools, "mails letters") == ["a", "b"]
    assert found(tools, "mails letters", "letters") == ["b", "a"]
    assert found(tools, "mails", "letters") == ["b", "a"]


def test_a_ranking_of_elsewhere_is_fused_with_ours():
    analyzer = Analyzer()
    index = Index.build([analyzer.analyze(tool) for tool in TOOLS])
    query = analyzer.query("issue")
    assert [hit.position for hit in index.search(query, 4)] == [1, 0, 2]
    assert [hit.position for hit in index.search(query, 4, further=[3, 2, 0])] == [2, 0, 3, 1]
    assert [hit.position for hit in index.search(query, 1, further=[])] == [1]


def test_of_a_ranking_of_elsewhere_no_more_is_read_than_is_fused():
    analyzer = Analyzer()
    index = Index.build([analyzer.analyze(tool) for tool in TOOLS])
    ranking = iter(range(1_000_000))
    index.search(analyzer.query("issue"), 8, further=ranking)
    assert next(ranking) == DEPTH


def test_the_order_of_the_documents_decides_between_more_equal_ones_than_are_fused():
    tools = [text(f"{i}", "Reads a file.") for i in range(3 * DEPTH)]
    assert found(tools, "file", limit=1000) == [f"{i}" for i in range(DEPTH)]


def test_where_some_may_be_found_alone_the_others_take_no_place():
    analyzer = Analyzer(installed_table())
    tools = [text(f"{i}", "Reads a file.") for i in range(2 * DEPTH)]
    index = Index.build([analyzer.analyze(tool) for tool in tools])
    hits = index.search(analyzer.query("file"), 8, further=range(2 * DEPTH), among=[2 * DEPTH - 1, 2 * DEPTH - 3])
    assert [hit.position for hit in hits] == [2 * DEPTH - 3, 2 * DEPTH - 1]
    assert index.search(analyzer.query("file"), 8, among=[]) == ()


class Positions(tuple):
    """Notes how many of them are read in their order."""

    __slots__ = ()
    read: ClassVar[list[int]] = []

    def __iter__(self):
        for position in tuple.__iter__(self):
            self.read.append(position)
            yield position


def test_however_many_documents_have_the_terms_of_a_query_few_postings_are_read_the_rarest_first(monkeypatch):
    monkeypatch.setattr(module, "MOST_READ", 1_000)
    monkeypatch.setattr(Positions, "read", [])
    count = 400
    sizes = {"rare": 1, "seldom": 10} | {f"common{at}": count for at in range(60)}
    postings = {
        term: Postings(Positions(range(count - size, count)), (1.0,) * size, 1.0) for term, size in sizes.items()
    }
    index = Index(postings, [Document({}, 1.0)] * count, None)
    hits = index.search(Query(dict.fromkeys(reversed(sizes), 1.0)), 3)
    assert len(Positions.read) <= 1_000
    assert hits[0].position == count - 1
    assert len(Positions.read) == 1 + 10 + 2 * count
    assert len(index.search(Query({"common1": 1.0}), 3)) == 3
    monkeypatch.setattr(module, "MOST_READ", 100)
    assert len(index.search(Query({"common1": 1.0, "common2": 1.0}), 3)) == 3
    assert len(Positions.read) == 1 + 10 + 4 * count
