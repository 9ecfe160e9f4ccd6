"""The filter of a listen stream, and the frames that it carries."""

import json

import msgspec
import pytest

from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID
from vmcp_proxy.protocol.modern.subscriptions import LISTS, MOST_URIS, Filter, acknowledged, read_filter, stamped
from vmcp_proxy.protocol.params import InvalidParamsError, parse_members

TOOLS, PROMPTS, RESOURCES = LISTS.values()


def read(notifications: object) -> Filter:
    return read_filter(parse_members(msgspec.Raw(json.dumps({"notifications": notifications}).encode())))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, Filter()),
        ({"toolsListChanged": True}, Filter(frozenset({TOOLS}))),
        ({"toolsListChanged": False, "promptsListChanged": None}, Filter()),
        ({"promptsListChanged": True, "resourcesListChanged": True}, Filter(frozenset({PROMPTS, RESOURCES}))),
        ({"resourceSubscriptions": ["a://1", "b://2", "a://1"]}, Filter(uris=("a://1", "b://2"))),
        ({"resourceSubscriptions": None}, Filter()),
        ({"taskIds": ["1"], "tools_list_changed": True}, Filter()),
    ],
)
def test_a_filter_is_what_it_asks_for_by_name(asked, found):
    assert read(asked) == found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "must be an object"),
        ({"toolsListChanged": 1}, '"toolsListChanged" must be true or false'),
        ({"promptsListChanged": "true"}, '"promptsListChanged" must be true or false'),
        ({"resourceSubscriptions": "a://1"}, '"resourceSubscriptions" must be a list of URIs'),
        ({"resourceSubscriptions": [1]}, '"resourceSubscriptions" must be a list of URIs'),
        ({"resourceSubscriptions": [f"a://{n}" for n in range(MOST_URIS + 1)]}, f"may ask for {MOST_URIS} resources"),
    ],
)
def test_a_filter_of_another_shape_is_refused_with_what_is_wrong(asked, said):
    with pytest.raises(InvalidParamsError, match=said):
        read(asked)


def test_params_without_a_filter_are_refused():
    with pytest.raises(InvalidParamsError, match='need a member "notifications"'):
        read_filter({})


@pytest.mark.parametrize("subscription", [b"7", b'"7"', b'"listen-1"', b"12345678901234567890"])
def test_every_frame_bears_the_id_of_the_request_as_it_was_sent(subscription):
    first = json.loads(acknowledged(subscription, Filter(frozenset({TOOLS}), ("a://1",))))
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"] == {
        "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a://1"]},
        "_meta": {SUBSCRIPTION_ID: json.loads(subscription)},
    }
    assert json.loads(stamped(subscription, TOOLS, None))["params"] == {
        "_meta": {SUBSCRIPTION_ID: json.loads(subscription)}
    }


def test_what_a_backend_says_keeps_its_members_and_gets_our_id():
    raw = msgspec.Raw(json.dumps({"uri": "a://1", "_meta": {"own": 1, SUBSCRIPTION_ID: "theirs"}}).encode())
    frame = json.loads(stamped(b"7", "notifications/resources/updated", raw))
    assert frame["params"] == {"uri": "a://1", "_meta": {"own": 1, SUBSCRIPTION_ID: 7}}


def test_nothing_is_acknowledged_that_was_not_asked_for():
    assert json.loads(acknowledged(b"1", Filter()))["params"]["notifications"] == {}


@pytest.mark.parametrize("raw", [b'{"uri":"a:b","_meta":5}', b"5", b'{"uri":"a:b","_meta":[]}'])
def test_what_a_backend_writes_wrongly_bears_our_id_all_the_same(raw):
    frame = json.loads(stamped(b"7", "notifications/resources/updated", msgspec.Raw(raw)))
    assert frame["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": 7}
