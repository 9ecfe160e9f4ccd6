"""Names beside one that no tool has: what is like it, and what finding that costs."""

from itertools import pairwise
from typing import ClassVar

import pytest

from vmcp_proxy.search.calling import nearest as module
from vmcp_proxy.search.calling.nearest import LONGEST, MOST_COMPARED, MOST_NAMES, nearest

TOOLS = ("github_create_issue", "github_list_issues", "jira_create_ticket", "time_get_current_time", "gmail_send_mail")


@pytest.mark.scenario("T-5")
@pytest.mark.parametrize(
    ("written", "best"),
    [
        ("github_create-isue", "github_create_issue"),
        ("githubCreateIssue", "github_create_issue"),
        ("GITHUB.CREATE_ISSUE", "github_create_issue"),
        ("create_issue", "github_create_issue"),
        ("github_issues_list", "github_list_issues"),
        ("get_current_time", "time_get_current_time"),
        ("jira_make_ticket", "jira_create_ticket"),
        ("send_mail", "gmail_send_mail"),
    ],
)
@pytest.mark.parametrize("beside", [0, 5_000])
def test_a_slip_finds_the_name_that_was_meant(written, best, beside):
    others = [f"shop{at}_{word}_thing" for at in range(beside // 5) for word in ("read", "write", "sell", "buy", "pay")]
    assert next(nearest(written, [*others, *TOOLS])) == best


def test_what_is_like_no_name_finds_none_and_equal_names_keep_their_order():
    assert list(nearest("zzz", TOOLS)) == []
    assert list(nearest("", TOOLS)) == []
    assert list(nearest("x", [])) == []
    assert list(nearest("a_b.c", ["a-bc", "abc", "ABC", "xyz"])) == ["a-bc", "abc", "ABC"]


def test_names_in_other_scripts_and_halves_of_characters_are_names_too():
    assert list(nearest("créer_tickt", ["créer_ticket", "поиск"])) == ["créer_ticket"]
    assert list(nearest("поиск-файл", ["поиск_файла", "mail"])) == ["поиск_файла"]
    assert list(nearest("\ud800abc", ["\ud800abd", "\xff"])) == ["\ud800abd"]


class Cut(str):
    """A name that notes what is read of it."""

    __slots__ = ()
    read: ClassVar[list[int]] = []

    def __getitem__(self, key):
        part = str.__getitem__(self, key)
        self.read.append(len(part))
        return part


@pytest.mark.parametrize("letters", ["ab", "\N{GRINNING FACE}a"])
def test_however_many_and_long_names_are_few_are_compared_and_little_is_read(monkeypatch, letters):
    compared = []

    def counting(text):
        compared.append(len(text))
        return pairwise(text)

    monkeypatch.setattr(module, "pairwise", counting)
    monkeypatch.setattr(Cut, "read", [])
    names = (Cut(letters * 500) for _ in range(2 * MOST_NAMES))
    assert len(list(nearest(letters * 100_000, names))) <= MOST_COMPARED
    assert len(list(names)) == MOST_NAMES
    assert len(compared) <= MOST_COMPARED + 1
    assert max(compared) <= LONGEST
    assert len(Cut.read) == MOST_NAMES
    assert max(Cut.read) <= LONGEST
