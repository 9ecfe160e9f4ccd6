"""The window in which a message may come, and its memory."""

from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.pods import replay_guard as pod_replays
from vmcp_proxy.pods.replay_guard import WINDOW_SECONDS, Replays, Verdict

TIMES = st.floats(-100.0, 100.0)


@given(steps=st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), TIMES, st.floats(0.0, 40.0)), max_size=30))
def test_no_name_is_taken_twice_whatever_the_clocks_say(steps):
    replays, now, taken, times = Replays(), 1000.0, set(), {}
    for name, skew, pause in steps:
        now += pause
        # A message keeps its time however often it is sent again.
        at = times.setdefault(name, now + skew)
        verdict = replays.admit(name, at, now)
        if abs(now - at) > WINDOW_SECONDS:
            assert verdict is Verdict.STALE
        else:
            assert verdict is (Verdict.REPLAYED if name in taken else Verdict.FRESH)
            taken.add(name)


def test_what_has_been_taken_is_forgotten_when_it_would_be_stale():
    replays = Replays()
    for number in range(1000):
        assert replays.admit(b"%d" % number, float(number), float(number)) is Verdict.FRESH
        assert len(replays) <= 2 * WINDOW_SECONDS + 2


def test_when_there_is_no_more_room_none_is_taken_and_none_taken_twice(monkeypatch):
    monkeypatch.setattr(pod_replays, "_MOST", 3)
    replays = Replays()
    names = (b"a", b"b", b"c", b"d", b"a")
    assert [replays.admit(name, 0.0, 0.0) for name in names] == [
        *[Verdict.FRESH] * 3,
        Verdict.CROWDED,
        Verdict.REPLAYED,
    ]
    assert replays.admit(b"d", 61.0, 61.0) is Verdict.FRESH
