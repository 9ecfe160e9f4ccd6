"""When the rest of a stream is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.backends.streamable.resume_point import Position
from vmcp_proxy.protocol.sse import Event

EVENTS = st.builds(
    Event, st.binary(max_size=3), id=st.none() | st.binary(max_size=3), retry=st.none() | st.integers(0, 10**9)
)
STEPS = st.lists(EVENTS | st.floats(0, 100), max_size=30)


@given(STEPS)
def test_no_stream_makes_the_pause_negative_longer_than_half_a_minute_or_a_storm(steps):
    position = Position()
    for step in steps:
        if isinstance(step, Event):
            position.take(step)
        else:
            position.ended(step)
        assert 0 <= position.pause() <= 30
        assert position.last_id is None or position.pause() >= 0.1


def test_a_server_that_closes_polled_streams_is_polled_as_often_as_it_asks():
    position = Position()
    for number in range(20):
        position.take(Event(b"", id=b"%d" % number, retry=500))
        position.ended(0.01)
        assert position.pause() == 0.5


def test_streams_that_bring_nothing_are_asked_for_ever_less_often():
    position = Position()
    position.take(Event(b"", id=b"a", retry=500))
    position.ended(0.0)
    pauses = []
    for _ in range(8):
        position.ended(0.0)
        pauses.append(position.pause())
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    position.take(Event(b"", id=b"b"))
    position.ended(0.0)
    assert position.pause() == 0.5


def test_a_long_silent_stream_is_no_reason_to_wait():
    position = Position()
    for _ in range(5):
        position.ended(60.0)
    assert position.pause() == 0.0
