import json

import pytest

from tests.proxy.search.ranking.tools import descriptor, read, text
from vmcp_proxy.search.ranking.tool_text import MAX_ARGUMENTS, MAX_DESCRIPTION, MAX_NAME, ToolText


def test_a_descriptor_is_read_with_its_title_and_its_arguments_in_their_order():
    raw = descriptor("send_mail", "Sends a mail.", "to", "subject", title="Send")
    assert read(raw, "post") == text("send_mail", "Sends a mail.", "to", "subject", server="post", title="Send")


def test_a_title_may_stand_in_the_annotations():
    assert read(descriptor("a", annotations={"title": "Say A"})).title == "Say A"


@pytest.mark.parametrize(
    "members",
    [
        {"name": 7},
        {"name": "a", "description": ["x"], "title": {}, "annotations": 1},
        {"name": "a", "inputSchema": []},
        {"name": "a", "inputSchema": {"properties": "none"}},
        {"name": "a", "inputSchema": None, "description": None},
    ],
)
def test_members_of_another_type_are_left_out(members):
    name = members["name"] if isinstance(members["name"], str) else ""
    assert read(json.dumps(members).encode(), "s") == ToolText(name, "", "", (), "s")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'{"name":"\xff"}', b"[" * 100_000, b'{"a":' * 50_000])
def test_what_is_no_object_has_no_texts(raw):
    assert read(raw) == ToolText("", "", "", (), "")


def test_a_text_that_was_cut_inside_an_emoji_is_read():
    assert read(b'{"name":"a","description":"Party \\ud83d time"}').description == "Party \ud83d time"


def test_of_a_huge_descriptor_the_beginning_is_read():
    read_text = read(descriptor("n" * 9000, "d" * 1_000_000, *(f"{i}{'a' * 999}" for i in range(10_000))), "s" * 9000)
    assert [len(each) for each in (read_text.name, read_text.description, read_text.server)] == [
        MAX_NAME,
        MAX_DESCRIPTION,
        MAX_NAME,
    ]
    assert len(read_text.arguments) == MAX_ARGUMENTS
    assert {len(each) for each in read_text.arguments} == {MAX_NAME}
