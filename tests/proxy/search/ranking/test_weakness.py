import pytest

from tests.proxy.search.ranking.tools import index, installed_table, text
from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.ranking.weakness import is_weak

TOOLS = [
    text("create_issue", "Open a new issue in a repository.", "title", "body", server="github"),
    text("list_issues", "List the issues of a repository.", "repository", "state", server="github"),
    text("send_message", "Send a message to a channel.", "channel", "text", server="slack"),
    text("get_forecast", "The weather of the coming days.", "city", server="weather"),
    text("read_file", "Read a file from the disk.", "path", server="files"),
]


def marks(query, table=None):
    analyzer = Analyzer(table)
    hits = index(TOOLS, analyzer).search(analyzer.query(query), 8)
    return {TOOLS[hit.position].name: hit.is_weak for hit in hits}


@pytest.mark.scenario("T-2")
@pytest.mark.parametrize("query", ["open an issue in the repository", "weather", "read file", "message to a channel"])
def test_what_was_asked_for_is_not_weak(query):
    for table in (None, installed_table()):
        assert next(iter(marks(query, table).values())) is False


@pytest.mark.scenario("T-2")
@pytest.mark.parametrize("query", ["bake a chocolate cake", "who won the match", "mow the lawn", "unlock my car doors"])
def test_what_nobody_offers_finds_weak_answers_alone(query):
    assert all(marks(query, installed_table()).values())
    assert marks(query, installed_table())


@pytest.mark.scenario("T-2")
def test_by_words_alone_one_common_word_of_many_is_weak():
    assert marks("unlock the doors of my red car and open the garage") == {"create_issue": True}


def test_near_in_meaning_is_enough_without_a_common_word():
    assert is_weak(0, 0.0, 0.53) is False
    assert is_weak(0, 0.0, 0.51) is True


def test_many_common_words_are_enough_far_off_in_meaning():
    assert is_weak(3, 0.1, 0.0) is False
    assert is_weak(2, 0.1, None) is False
