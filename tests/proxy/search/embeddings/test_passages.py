from vmcp_proxy.search.embeddings.passages import MAX_PASSAGE, write_passage
from vmcp_proxy.search.ranking.tool_text import ToolText


def test_a_passage_says_what_a_tool_is_called_whose_it_is_and_what_it_does():
    passage = write_passage(ToolText("send_mail", "Send", "Sends a mail.", ("to",), "post"))
    assert passage.text == "send_mail (post): Send Sends a mail."
    assert write_passage(ToolText("a", "", "b", (), "")).text == "a:  b"


def test_equal_texts_have_equal_digests_and_others_have_others():
    first, second, third = (write_passage(ToolText("a", "", said, (), "")) for said in ("x", "x", "y"))
    assert first.digest == second.digest != third.digest


def test_of_a_long_description_the_beginning_is_sent():
    assert len(write_passage(ToolText("a", "", "d" * 9000, (), "")).text) == MAX_PASSAGE


def test_half_an_emoji_is_sent_as_something_that_can_be():
    assert write_passage(ToolText("a", "", "Party \ud83d", (), "")).text.endswith("Party ?")
