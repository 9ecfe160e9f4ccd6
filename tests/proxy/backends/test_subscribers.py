"""Subscriptions of several clients in one session of a program."""

import contextlib

import msgspec
import pytest

from vmcp_proxy.backends.channel.share import Share
from vmcp_proxy.backends.channel.subscribers import Subscribers, uri_of
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import NOBODY
from vmcp_proxy.protocol.jsonrpc import Response

ONE, TWO = b'"note://one"', b'"note://two"'
SUBSCRIBE, UNSUBSCRIBE = "resources/subscribe", "resources/unsubscribe"
DONE = Response(b"1", msgspec.Raw(b"{}"), None)
REFUSED = Response(b"1", None, msgspec.Raw(b'{"code":-32602,"message":"no"}'))


class Session:
    """A session that clients share, in memory; `said` is what reaches the server."""

    def __init__(self) -> None:
        self.subscribers = Subscribers()
        self.said: list[tuple[str, bytes]] = []
        self.answer: Response | Exception = DONE
        self.is_alive = True
        self.meanwhile = lambda: None

    def next_id(self) -> int:
        return 1

    async def request(self, request_id, method, params, headers, deadline, receiver, extra=()) -> Response:
        self.said.append((method, uri_of(params)))
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def ask(share: Share, method: str, uri: bytes = ONE) -> Response:
    params = msgspec.Raw(b'{"uri":%b}' % uri)
    return await share.request(1, method, params, (), Deadline.after(0, 60), NOBODY)


async def test_only_the_last_end_of_a_subscription_is_told_however_often_it_was_begun():
    session = Session()
    one, other = Share(session), Share(session)
    for share in (one, one, one, other):
        await ask(share, SUBSCRIBE)
    assert len(session.subscribers) == 2
    session.said.clear()
    assert await ask(one, UNSUBSCRIBE) == Response(b"1", msgspec.Raw(b"{}"), None)
    assert session.said == []
    await ask(other, UNSUBSCRIBE)
    assert session.said == [(UNSUBSCRIBE, ONE)]
    assert len(session.subscribers) == 0


async def test_a_client_that_leaves_takes_its_subscriptions_along_and_nobody_elses():
    session = Session()
    one, other = Share(session), Share(session)
    for share, uri in ((one, ONE), (one, TWO), (other, TWO)):
        await ask(share, SUBSCRIBE, uri)
    session.said.clear()
    await one.close(())
    assert session.said == [(UNSUBSCRIBE, ONE)]
    assert session.subscribers.is_held(TWO)
    await one.close(())
    assert len(session.said) == 1


async def test_a_client_that_never_subscribed_ends_nothing_of_another():
    session = Session()
    one, other = Share(session), Share(session)
    await ask(one, SUBSCRIBE)
    await ask(other, UNSUBSCRIBE)
    assert session.said == [(SUBSCRIBE, ONE)]
    assert session.subscribers.is_held(ONE)


@pytest.mark.parametrize("answer", [REFUSED, BackendError("one", Category.TIMEOUT)])
async def test_what_the_server_refused_counts_for_nothing(answer):
    session = Session()
    session.answer = answer
    share = Share(session)
    try:
        assert await ask(share, SUBSCRIBE) == REFUSED
    except BackendError:
        assert answer is not REFUSED
    assert len(session.subscribers) == 0
    session.answer = DONE
    await ask(share, SUBSCRIBE)
    session.answer = answer
    with contextlib.nullcontext() if answer is REFUSED else pytest.raises(BackendError):
        await ask(share, UNSUBSCRIBE)
    assert session.subscribers.is_held(ONE)


async def test_a_client_that_subscribes_while_another_leaves_keeps_it():
    session = Session()
    one, other = Share(session), Share(session)
    await ask(one, SUBSCRIBE, TWO)
    await ask(one, SUBSCRIBE, ONE)
    session.said.clear()
    first = []

    def subscribes() -> None:
        if not first:
            first.append(session.subscribers.hold(TWO if session.said == [(UNSUBSCRIBE, ONE)] else ONE, other))

    session.meanwhile = subscribes
    await one.close(())
    assert first == [True]
    assert len(session.said) == 1


async def test_nothing_is_said_in_a_session_that_has_ended():
    session = Session()
    share = Share(session)
    await ask(share, SUBSCRIBE)
    session.said.clear()
    session.is_alive = False
    await share.close(())
    assert session.said == []


def test_other_requests_and_odd_params_name_no_resource():
    for params in (None, msgspec.Raw(b"[]"), msgspec.Raw(b"{}")):
        assert uri_of(params) == b""


def test_those_beyond_the_bound_are_not_held(monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.channel.subscribers._MOST", 2)
    subscribers, client = Subscribers(), object()
    assert [subscribers.hold(b"%d" % number, client) for number in (1, 1, 2, 3)] == [True, False, True, False]
    subscribers.release(b"3", client)
    subscribers.release(b"1", object())
    assert len(subscribers) == 2
    assert sorted(subscribers.release_all(client)) == [b"1", b"2"]
    assert subscribers.hold(b"3", client)
