"""Session ids and the keys behind them."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import example, given
from hypothesis import strategies as st

from tests.proxy.sessions.pods import ALICE, Pod, empty
from vmcp_proxy.sessions import BadKeyError, KeyLabel, Keyring, Missing, MissingReason, SessionIds
from vmcp_proxy.sessions.store.memory import MemoryStore

KEYS = Keyring.of({"1": b"a" * 32, "2": b"b" * 32})
IDS = SessionIds(KEYS)
MINTED = IDS.mint()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class CountingStore(MemoryStore):
    """Counts the look-ups."""

    def __init__(self):
        super().__init__()
        self.lookups = 0

    async def load(self, digest):
        self.lookups += 1
        return await super().load(digest)


def test_an_id_has_a_constant_size_and_is_recognised():
    ids = {IDS.mint() for _ in range(200)}
    assert len(ids) == 200
    assert {len(session_id) for session_id in ids} == {len("v1.2.") + 64}
    assert all(IDS.digest_of(session_id) is not None for session_id in ids)


def test_the_digest_of_an_id_is_stable_and_tells_nothing_of_the_id():
    digest = IDS.digest_of(MINTED)
    assert digest == IDS.digest_of(MINTED)
    assert digest.kid == "2"
    assert len(digest.hex) == 64
    assert repr(digest) == f"SessionDigest({digest.hex[:8]})"
    assert digest.hex != hashlib.sha256(MINTED.encode()).hexdigest()


def mutations():
    version, kid, token = MINTED.split(".")
    nonce, tag = token[:43], token[43:]
    yield from (MINTED[:length] for length in range(len(MINTED)))
    yield from (f"{kid}.{version}.{token}", f"{version}.{token}.{kid}", f"{version}.{kid}.{tag}{nonce}")
    yield from (f"{version}.1.{token}", f"{version}.3.{token}", f"v2.{kid}.{token}", f"V1.{kid}.{token}")
    yield from (MINTED + "=", MINTED + "==", MINTED + "A", MINTED + "\n", " " + MINTED, MINTED + " ")
    yield from (f"{version}.{kid}.{token.swapcase()}", MINTED.replace("v1", "\uff561"), MINTED * 1000)
    yield from ("", ".", "..", "v1..", f"v1.{'9' * 40}.{token}", f"v1.\uff12.{token}", "\x00", "\ud800")
    for index in range(len(token)):
        for other in (ALPHABET[(ALPHABET.index(token[index]) + step) % 64] for step in (1, 17, 63)):
            yield f"{version}.{kid}.{token[:index]}{other}{token[index + 1 :]}"


@pytest.mark.scenario("S-2")
def test_no_mutation_of_an_id_is_recognised():
    assert [text for text in mutations() if IDS.digest_of(text) is not None] == []


@pytest.mark.scenario("S-2")
def test_an_id_signed_with_a_foreign_key_under_our_key_id_is_not_recognised():
    foreign = SessionIds(Keyring.of({"2": b"c" * 32}))
    assert IDS.digest_of(foreign.mint()) is None


def test_a_tag_under_another_key_id_of_our_own_is_not_recognised():
    old = SessionIds(Keyring.of({"1": b"a" * 32})).mint()
    assert IDS.digest_of(old) is not None
    assert IDS.digest_of(old.replace("v1.1.", "v1.2.")) is None


@pytest.mark.scenario("S-2")
@given(
    st.one_of(
        st.text(max_size=120),
        st.from_regex(r"v1\.[12]\.[A-Za-z0-9_-]{64}", fullmatch=True),
        st.builds(
            lambda nonce, tag: "v1.2." + urlsafe_b64encode(nonce + tag).decode(),
            st.binary(min_size=32, max_size=32),
            st.binary(min_size=16, max_size=16),
        ),
    )
)
@example("v1.2." + urlsafe_b64encode(b"n" * 32 + hmac.digest(b"b" * 32, b"n" * 32, "sha256")[:16]).decode())
async def test_a_made_up_id_costs_no_look_up_in_the_store(text):
    store = CountingStore()
    sessions = Pod(store, KEYS).sessions
    assert sessions.peek(text, ALICE) is None
    assert await sessions.resolve(text, ALICE, empty) == Missing(MissingReason.FORGED)
    assert await sessions.end(text, ALICE) is not None
    assert store.lookups == 0


async def test_a_signed_id_that_is_unknown_costs_one_look_up():
    store = CountingStore()
    sessions = Pod(store, KEYS).sessions
    assert await sessions.resolve(IDS.mint(), ALICE, empty) == Missing(MissingReason.UNKNOWN)
    assert store.lookups == 1


@pytest.mark.parametrize(
    ("kids", "signing"),
    [(["1", "2", "10"], "10"), (["a", "b"], "b"), (["zeta", "7"], "7"), (["0"], "0"), (["9", "09"], "9")],
)
def test_the_highest_key_signs_and_all_verify(kids, signing):
    ring = Keyring.of({kid: kid.encode().ljust(32, b".") for kid in kids})
    assert ring.signing_kid == signing
    for kid in kids:
        minted = SessionIds(Keyring.of({kid: kid.encode().ljust(32, b".")})).mint()
        assert SessionIds(ring).digest_of(minted).kid == kid


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({}, "add an entry with 32 random bytes"),
        ({"7": b"short"}, "session key '7': it has 5 bytes instead of 32"),
        ({"a.b": b"x" * 32}, "session key 'a.b': an id has 1 to 32"),
        ({"": b"x" * 32}, "session key ''"),
    ],
)
def test_a_bad_key_entry_is_named_without_its_content(keys, text):
    with pytest.raises(BadKeyError) as caught:
        Keyring.of(keys)
    assert text in str(caught.value)
    assert "short" not in str(caught.value)


def test_every_purpose_and_every_key_has_its_own_derived_key():
    derived = {KEYS.derive(kid, label) for kid in KEYS for label in KeyLabel}
    assert len(derived) == 2 * len(KeyLabel)
    assert KEYS.derive("1", KeyLabel.RECORD) is KEYS.derive("1", KeyLabel.RECORD)
    assert not {b"a" * 32, b"b" * 32} & derived


@pytest.mark.parametrize("label", KeyLabel)
def test_keys_are_derived_as_rfc_5869_has_it(label):
    oracle = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"vmcp/" + label.encode())
    assert KEYS.derive("2", label) == oracle.derive(b"b" * 32)


def test_a_keyring_shows_its_ids_only():
    assert repr(Keyring.of({"10": b"s" * 32, "2": b"t" * 32})) == "Keyring(2, 10)"


def test_the_keyring_of_local_mode_is_new_each_time():
    first, second = SessionIds(Keyring.random()), SessionIds(Keyring.random())
    assert first.digest_of(first.mint()) is not None
    assert second.digest_of(first.mint()) is None
