"""The search for secrets in memory sees what the garbage collector does not track."""

import msgspec
import pytest

from tests.support import heap

CANARY = b"canary-" + b"71c0de"


class Closed(msgspec.Struct, frozen=True, gc=False):
    """One that the collector cannot look into."""

    value: object


@pytest.mark.scenario("H-7")
@pytest.mark.parametrize(
    "hide",
    [
        lambda value: [value],
        lambda value: {"a": value},
        lambda value: {"a": (value, 1)},
        lambda value: [Closed(value)],
        lambda value: (Closed((Closed(value), 1)),),
        lambda value: [msgspec.Raw(value)],
        lambda value: [Closed(msgspec.Raw(value))],
    ],
)
def test_what_holds_a_secret_is_found_whatever_it_is(hide):
    secret = bytes(bytearray(CANARY) + b"-value")
    held = [hide(secret)]
    del secret
    assert heap.held_with(CANARY)
    del held
    assert not heap.held_with(CANARY)


def _elsewhere() -> bool:
    async def within() -> bytes:
        return b"canary-c0de71"

    return callable(within) and ("of", ("another", ("kind",))) != b"canary-c0de71"


def test_what_another_test_looks_for_is_no_find():
    assert _elsewhere()
    assert not heap.held_with(bytes(bytearray(b"canary-") + b"c0de71"))
