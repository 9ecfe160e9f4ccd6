"""Reply tokens: whose answer a client's reply is, told to nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.pods.name import decode_pod_name, encode_pod_name, is_pod_name, new_pod_name
from vmcp_proxy.pods.reply_tokens import mint, open_token
from vmcp_proxy.sessions import Keyring, SessionIds

KEYS = Keyring.of({"1": bytes(range(32))})
IDS = SessionIds(KEYS)
DIGEST = IDS.digest_of(IDS.mint())
POD = new_pod_name()
NUMBERS = st.integers(0, 2**56 - 1)


@given(number=NUMBERS, raw=st.binary(min_size=16, max_size=16))
def test_a_token_tells_its_pod_and_number_in_68_url_safe_characters(number, raw):
    pod = encode_pod_name(raw)
    token = mint(KEYS, DIGEST, pod, number)
    assert len(token) == 68
    assert token.replace("-", "").replace("_", "").isalnum()
    assert open_token(KEYS, DIGEST, token) == (pod, number)


@given(number=NUMBERS)
def test_a_token_of_another_session_opens_nothing(number):
    other = IDS.digest_of(IDS.mint())
    assert open_token(KEYS, other, mint(KEYS, DIGEST, POD, number)) is None


@given(position=st.integers(0, 67), character=st.sampled_from("ABCabc019-_"))
def test_a_changed_token_opens_nothing(position, character):
    token = mint(KEYS, DIGEST, POD, 7)
    changed = token[:position] + character + token[position + 1 :]
    assert open_token(KEYS, DIGEST, changed) == ((POD, 7) if changed == token else None)


@given(text=st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]{60,76}", fullmatch=True)))
def test_anything_else_opens_nothing(text):
    assert open_token(KEYS, DIGEST, text) is None


def test_a_token_opens_as_long_as_the_key_of_its_session_is_there():
    token = mint(KEYS, DIGEST, POD, 7)
    both = Keyring.of({"1": bytes(range(32)), "2": bytes(32)})
    assert open_token(both, DIGEST, token) == (POD, 7)
    assert open_token(Keyring.of({"2": bytes(32)}), DIGEST, token) is None
    assert open_token(Keyring.of({"1": bytes(32)}), DIGEST, token) is None


def test_equal_numbers_have_nothing_in_common():
    tokens = {mint(KEYS, DIGEST, POD, 7) for _ in range(100)}
    assert len(tokens) == 100
    assert not any(POD[:8] in token for token in tokens)


def test_only_a_pod_with_a_number_that_fits_gets_a_token():
    with pytest.raises(ValueError, match="not the name of a pod"):
        mint(KEYS, DIGEST, "not a pod", 7)
    for number in (-1, 2**56):
        with pytest.raises(OverflowError):
            mint(KEYS, DIGEST, POD, number)


def test_a_pod_has_one_name_and_no_two_share_one():
    assert len({new_pod_name() for _ in range(1000)}) == 1000
    assert encode_pod_name(decode_pod_name(POD)) == POD
    # The last of 22 characters has four bits to spare.
    spelled_otherwise = POD[:-1] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[POD[-1]]
    for other in ("", POD[:-1], POD + "A", POD[:-1] + "=", spelled_otherwise, POD + "\n"):
        assert not is_pod_name(other)
