"""Whom the messages of a shared channel reach."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.backends.channel.demultiplexer import Demultiplexer
from vmcp_proxy.backends.channel.mailbox import Mailbox
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.messages import parse_incoming
from vmcp_proxy.protocol.jsonrpc import Malformed, Notification, Request, Response, parse_message

LOG = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
UPDATED = b'{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}'
ASKED = b'{"jsonrpc":"2.0","id":1,"method":"roots/list"}'
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def progress(token: str) -> bytes:
    return b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b}}' % token.encode()


class Channel:
    """A demultiplexer with calls and listeners whose mail can be looked at."""

    def __init__(self, *, calls=0, listeners=0, shared=False):
        self.demultiplexer = Demultiplexer(is_shared=shared, max_bytes=1000)
        self.contexts = [self.demultiplexer.calling(number + 1) for number in range(calls)]
        self.contexts += [self.demultiplexer.listening() for _ in range(listeners)]
        self.boxes = [each.__enter__() for each in self.contexts]

    def takers(self, data: bytes) -> list[int]:
        """Which of the mailboxes, calls first, a message reaches; -1 where nobody takes a request."""
        before = [len(box._messages) for box in self.boxes]
        orphan = self.demultiplexer.sort(parse_message(data), len(data))
        found = [number for number, box in enumerate(self.boxes) if len(box._messages) > before[number]]
        return [*found, *([-1] if orphan is not None else [])]


@pytest.mark.scenario("B-1")
@pytest.mark.parametrize(
    ("calls", "listeners", "shared", "message", "takers"),
    [
        (3, 1, False, progress("2"), [1]),
        (3, 1, False, progress("7"), []),
        (3, 1, False, progress("9" * 400), []),
        (3, 1, False, progress('"2"'), [1]),
        (3, 1, False, progress("2.0"), [1]),
        (3, 1, False, progress('"two"'), []),
        (1, 1, False, ASKED, [0]),
        (2, 1, False, ASKED, [2]),
        (2, 0, False, ASKED, [0]),
        (0, 1, False, ASKED, [0]),
        (0, 0, False, ASKED, [-1]),
        (1, 1, False, PING, [-1]),
        (1, 1, True, ASKED, [-1]),
        (2, 2, True, ASKED, [-1]),
        (1, 1, False, LOG, [0]),
        (2, 1, False, LOG, [2]),
        (2, 0, False, LOG, [0]),
        (1, 2, True, LOG, [0]),
        (2, 2, True, LOG, []),
        (0, 0, False, LOG, []),
        (2, 2, True, CHANGED, [2, 3]),
        (2, 2, True, UPDATED, [2, 3]),
        (1, 0, False, CHANGED, [0]),
    ],
)
def test_a_message_goes_to_whom_it_names_or_else_to_whom_it_can_only_concern(calls, listeners, shared, message, takers):
    assert Channel(calls=calls, listeners=listeners, shared=shared).takers(message) == takers


def test_an_answer_goes_to_its_call_once():
    channel = Channel(calls=2, listeners=1)
    answer = b'{"jsonrpc":"2.0","id":2,"result":{}}'
    assert channel.takers(answer) == [1]
    assert channel.takers(answer) == []
    assert channel.takers(b'{"jsonrpc":"2.0","id":"1x","result":{}}') == []
    assert channel.takers(b'{"jsonrpc":"2.0","id":"1","result":{}}') == [0]
    assert channel.takers(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % (b"9" * 400)) == []
    assert channel.takers(b'{"jsonrpc":"2.0","id":-1,"result":{}}') == []


@given(st.lists(st.sampled_from([LOG, CHANGED, ASKED, PING, progress("1"), b"[]", b"x"]), max_size=60))
def test_what_a_backend_says_never_fills_the_memory_nor_pushes_the_answer_out(messages):
    channel = Channel(calls=2, listeners=1)
    for each in messages:
        channel.takers(each)
    channel.takers(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    channel.demultiplexer.end(BackendError("one", Category.NOT_RUNNING))
    kept = [message for message, _ in channel.boxes[0]._messages]
    assert sum(isinstance(each, Response) for each in kept) == 1
    for box in channel.boxes:
        sizes = [size for _, size in box._messages]
        assert box._size == sum(sizes)
        assert sum(sizes) <= 1000 + 2 * max(map(len, (LOG, CHANGED, ASKED)))
        assert isinstance(box._messages[-1][0], BackendError) or box is channel.boxes[0]


async def test_a_full_mailbox_loses_its_oldest_notifications_and_turns_requests_away():
    box = Mailbox(10_000_000)
    for number in range(1500):
        assert box.put(Notification(f"n{number}", None), 1)
    assert (await box.get()).method == "n476"
    for number in range(3000):
        box.put(Request(b"%d" % number, "roots/list", None), 1)
    assert not box.put(Request(b"0", "roots/list", None), 1)
    assert not box.put(Notification("late", None), 1)
    assert box.put(Response(b"1", msgspec.Raw(b"{}"), None), 1)
    assert len(box._messages) <= 1025


@pytest.mark.parametrize(
    ("frame", "kinds"),
    [
        (b'{"jsonrpc":"2.0","method":"n","params":null}', [Notification]),
        (b'[{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":1,"result":{}}]', [Notification, Response]),
        (b'[{"jsonrpc":"2.0","method":"n","params":null},7,[]]', [Notification, Malformed, Malformed]),
        (b"[]", []),
        (b"[" * 5000, [Malformed]),
        (b"[1,", [Malformed]),
        (b'["\xff"]', [Malformed]),
        (b"\xff\xfe", [Malformed]),
        (b'{"jsonrpc":"2.0","method":"n","params":7}', [Malformed]),
    ],
)
def test_frames_are_read_as_servers_mean_them_and_never_raise(frame, kinds):
    assert [type(each) for each in parse_incoming(frame)] == kinds


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reading_of_a_frame_raise(frame):
    parse_incoming(frame)
    parse_incoming(b"[" + frame + b"]")
