"""Subscriptions of several clients in one session of a program."""

import msgspec

from vmcp_proxy.backends.channel.subscribers import Subscribers
from vmcp_proxy.protocol.jsonrpc import Response

ONE = msgspec.Raw(b'{"uri":"note://one"}')
DONE = Response(b"1", msgspec.Raw(b"{}"), None)
REFUSED = Response(b"1", None, msgspec.Raw(b'{"code":-32602,"message":"no"}'))


def test_only_the_last_end_of_a_subscription_is_told():
    subscribers = Subscribers()
    for _ in range(2):
        assert subscribers.spare(1, "resources/subscribe", ONE) is None
        subscribers.note("resources/subscribe", ONE, DONE)
    assert subscribers.spare(7, "resources/unsubscribe", ONE) == Response(b"7", msgspec.Raw(b"{}"), None)
    assert subscribers.spare(8, "resources/unsubscribe", ONE) is None
    subscribers.note("resources/unsubscribe", ONE, DONE)
    assert subscribers.spare(9, "resources/unsubscribe", ONE) is None


def test_what_the_server_refused_counts_for_nothing():
    subscribers = Subscribers()
    subscribers.note("resources/subscribe", ONE, DONE)
    subscribers.note("resources/subscribe", ONE, REFUSED)
    assert subscribers.spare(1, "resources/unsubscribe", ONE) is None


def test_other_requests_and_odd_params_are_left_alone():
    subscribers = Subscribers()
    for params in (None, msgspec.Raw(b"[]"), msgspec.Raw(b"{}")):
        subscribers.note("tools/call", params, DONE)
        assert subscribers.spare(1, "tools/call", params) is None
        assert subscribers.spare(1, "resources/unsubscribe", params) is None
