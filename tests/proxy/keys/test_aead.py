"""Sealed values: one form, good for one key and one place, and the bytes of older pods still open."""

from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.keys.aead import NONCE_BYTES, seal, unseal
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.pods.envelope import Opened, PodMessage, open_message
from vmcp_proxy.pods.name import encode_pod_name
from vmcp_proxy.pods.reply_tokens import open_token
from vmcp_proxy.sessions.keyed import sealing
from vmcp_proxy.sessions.keyed.ids import SessionDigest

KEY = bytes(range(32))
KEYS = Keyring.of({"1": KEY})
DIGEST = SessionDigest("1", "ab" * 32)

BACKEND_TOKEN = "6465666768696a6b6c6d6e6ffd43d82ab3879cb0173e68cbf8fffb103990aa2e09"
POD_MESSAGE = (
    "01316465666768696a6b6c6d6e6fa5dc6f0ca39ebc0ebefe37b25a24e03906890925d6f3b273e3ba083d357ce82978c0458da0030034c579"
    "d2f23da07a4e12b7e391d5a4cfbc54aa86c1927c3d1d06b079053ffe8dcbd5d51f3de8c6069212e95119fd575c0f0203a48316274d8d050f"
    "cec3b8b50bc9e2"
)
REPLY_TOKEN = "ZGVmZ2hpamtsbW5vgA6S68l6W9bhNnsgEFVN0UgxnEqOFlQWMMSgKOXm4SUt8baMtUUP"


@given(plain=st.binary(max_size=100), place=st.binary(max_size=40))
def test_a_sealed_value_opens_with_its_key_at_its_place_only(plain, place):
    sealed = seal(KEY, plain, place)
    assert len(sealed) == len(plain) + 28
    assert unseal(KEY, sealed, place) == plain
    assert unseal(bytes(32), sealed, place) is None
    assert unseal(KEY, sealed, place + b"/") is None


@given(at=st.integers(0, 32), flip=st.integers(1, 255))
def test_a_changed_or_shortened_value_opens_nothing(at, flip):
    sealed = seal(KEY, b"token", b"place")
    assert unseal(KEY, sealed[:at] + bytes((sealed[at] ^ flip,)) + sealed[at + 1 :], b"place") is None
    assert unseal(KEY, sealed[:at], b"place") is None


def test_no_two_values_share_a_nonce():
    assert len({seal(KEY, b"token", b"")[:NONCE_BYTES] for _ in range(1000)}) == 1000


def test_what_earlier_releases_have_sealed_still_opens():
    """Pods of two releases serve the same sessions during a rollout."""
    pod = encode_pod_name(bytes(16))
    message = PodMessage(1234.5, "p", "kind", "ab" * 32, b"body")
    nonce = bytes(range(100, 112))
    assert sealing.unseal(KEYS, DIGEST, "github", bytes.fromhex(BACKEND_TOKEN)) == b"token"
    assert open_message(KEYS, "receiver", bytes.fromhex(POD_MESSAGE)) == Opened(nonce, "1", message)
    assert open_token(KEYS, DIGEST, REPLY_TOKEN) == (pod, 7)
