"""What refusals say of the protocols that a backend speaks."""

import asyncio

import pytest

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.dual import DualBackend
from vmcp_proxy.backends.eras import Eras, is_not_modern
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.protocol.methods import Era


@pytest.mark.parametrize(
    ("status", "code", "is_not"),
    [
        (200, -32601, True),
        (200, -32022, True),
        (202, None, True),
        (204, None, True),
        (400, None, True),
        (400, -32000, True),
        (400, -32600, True),
        (400, -32022, True),
        (400, -32020, False),
        (400, -32021, False),
        (401, None, False),
        (403, -32601, False),
        (404, None, True),
        (404, -32601, True),
        (405, None, True),
        (406, None, True),
        (408, None, False),
        (415, None, True),
        (422, None, True),
        (429, None, False),
        (500, -32601, False),
        (501, None, False),
        (503, None, False),
    ],
)
def test_what_a_refusal_of_discovery_says(status, code, is_not):
    assert is_not_modern(status, code) is is_not


def test_what_is_not_spoken_is_asked_again_after_its_time_and_what_is_spoken_is_not():
    eras = Eras()
    assert eras.is_open(Era.MODERN, 0.0)
    eras.missed(Era.MODERN, 10.0)
    assert not eras.is_open(Era.MODERN, 9.9)
    assert eras.is_open(Era.MODERN, 10.0)
    eras.met(Era.MODERN)
    assert not eras.is_open(Era.MODERN, 99.0)
    assert eras.spoken == {Era.MODERN}
    eras.met(Era.LEGACY)
    eras.missed(Era.LEGACY, 200.0)
    assert eras.spoken == {Era.MODERN}
    eras.forget()
    assert (eras.spoken, eras.is_open(Era.LEGACY, 100.0)) == (frozenset(), True)


class Refuses:
    """A backend that is asked for a session and gives none."""

    name = "one"
    takes_headers = True

    def __init__(self, hint):
        self.hint = hint

    async def open(self, terms, headers, deadline, owner=None):
        raise BackendError("one", Category.REFUSED, self.hint, detail="it said no")


@pytest.mark.parametrize(
    ("modern", "told"),
    [
        ("HTTP status 451", ", and so in the protocol without sessions"),
        (
            "HTTP status 500",
            ", and so in the protocol without sessions: backend 'one' refused the request (HTTP status ",
        ),
    ],
)
async def test_what_refuses_both_protocols_in_the_same_words_is_quoted_once_and_no_remedy_is_feigned(modern, told):
    dual = DualBackend(Refuses("HTTP status 451"), Refuses(modern), Eras())
    with pytest.raises(BackendError) as caught:
        await dual.open(OWN_TERMS, (), Deadline.after(asyncio.get_running_loop().time(), 10))
    assert caught.value.told.startswith("backend 'one' refused the request (HTTP status 451, it said no)" + told)
    assert caught.value.told.count("it said no") == (1 if modern == "HTTP status 451" else 2)
    assert ";" not in caught.value.told
