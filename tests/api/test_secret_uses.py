"""Values of Secrets that cannot be used, by what a config needs them for."""

import pytest

from vmcp_api.render.secretrefs import SecretUse
from vmcp_api.spec.references import KeyRef

REF = KeyRef(name="s", key="k")
EMPTY = (b"", b"\n", b"\r\n", b" ", b"\t \r\n\n")
UNSENDABLE = {
    b"a\nb": "line break",
    b"a\0b": "control character",
    b"\xef\xbb\xbfa": "outside ASCII",
    "schlüssel".encode(): "outside ASCII",
    b"\x1f\x8b\x08": "control character",
}
FINE = (b"a", b"a\n", b"a\r\n", b"two words", b"-----BEGIN X-----\nabc\n")


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize("content", EMPTY)
def test_what_is_empty_or_blank_lets_in_nowhere(content, is_sent):
    flaw = SecretUse(REF, is_sent=is_sent).find_flaw(content)
    assert flaw is not None
    assert flaw.startswith("is empty; write ")
    assert SecretUse(REF, may_be_empty=True).find_flaw(content) is None


@pytest.mark.parametrize(("content", "words"), UNSENDABLE.items())
def test_only_what_is_a_header_has_to_be_one_line_of_ascii(content, words):
    flaw = SecretUse(REF, is_sent=True).find_flaw(content)
    assert flaw is not None
    assert words in flaw
    assert SecretUse(REF).find_flaw(content) is None


@pytest.mark.parametrize("content", FINE)
def test_the_line_break_at_the_end_of_a_file_is_no_part_of_a_value(content):
    assert SecretUse(REF).find_flaw(content) is None
    if b"\n" not in content.rstrip():
        assert SecretUse(REF, is_sent=True).find_flaw(content) is None
