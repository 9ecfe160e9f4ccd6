"""Sealed messages: whole for the pod that they are for, nothing for others, whatever the bytes."""

from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.pods.envelope import Opened, PodMessage, open_message, seal_message
from vmcp_proxy.pods.name import new_pod_name
from vmcp_proxy.sessions import Keyring

KEYS = Keyring.of({"a": bytes(range(32)), "a-kid-as-long-as-kids-may-be--32": bytes(32)})
A, B = new_pod_name(), new_pod_name()
MESSAGE = PodMessage(1_700_000_000.25, A, "note", "ab" * 32, b"body")
_, SEALED = seal_message(KEYS, "a", B, MESSAGE)

MESSAGES = st.builds(
    PodMessage,
    at=st.floats(0, 2**33),
    sender=st.just(A),
    kind=st.text(st.characters(codec="utf-8"), max_size=10),
    digest=st.text("0123456789abcdef", max_size=64),
    body=st.binary(max_size=200),
)


@given(message=MESSAGES, kid=st.sampled_from(list(KEYS)))
def test_a_message_comes_out_as_it_went_in_for_its_receiver_only(message, kid):
    name, sealed = seal_message(KEYS, kid, B, message)
    assert open_message(KEYS, B, sealed) == Opened(name, kid, message)
    assert open_message(KEYS, A, sealed) is None


@given(data=st.data())
def test_changed_bytes_open_nothing(data):
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "splice"]))
    at = data.draw(st.integers(0, len(SEALED) - 1))
    match kind:
        case "flip":
            changed = SEALED[:at] + bytes((SEALED[at] ^ data.draw(st.integers(1, 255)),)) + SEALED[at + 1 :]
        case "cut":
            changed = SEALED[:at]
        case "grow":
            changed = SEALED + data.draw(st.binary(min_size=1, max_size=20))
        case _:
            changed = SEALED[at:] + SEALED[:at] if at else b""
    assert open_message(KEYS, B, changed) is None


@given(raw=st.binary(max_size=200))
def test_any_bytes_open_nothing_and_raise_nothing(raw):
    for bytes_ in (raw, b"\x01a" + raw):
        assert open_message(KEYS, B, bytes_) is None
