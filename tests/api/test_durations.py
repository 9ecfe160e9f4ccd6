"""Durations as text and as seconds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.text.durations import PATTERN, format_duration, parse_duration

NANOSECONDS = st.integers(min_value=0, max_value=30 * 24 * 3600 * 10**9)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("0s", 0.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("1ns", 1e-9),
    ],
)
def test_a_duration_is_read_with_its_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-1s", "+1s", "1 s", "1S", "1d", "30s\n", "1e3s", ".5s", "٣s", "1" * 40 + "h", None, True]
)
def test_a_text_that_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 500ms, 30s or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (60, "1m"), (5400, "1h30m"), (0.0005, "500us"), (1.5, "1s500ms"), (86400, "24h")]
)
def test_a_number_of_seconds_is_written_shortly(seconds, text):
    assert format_duration(seconds) == text


@given(NANOSECONDS)
def test_what_is_written_is_read_back_to_the_nanosecond(nanos):
    text = format_duration(nanos / 10**9)
    assert round(parse_duration(text) * 10**9) == round(nanos / 10**9 * 10**9)
    assert re.fullmatch(PATTERN, text)


@given(NANOSECONDS)
def test_writing_what_was_read_changes_nothing(nanos):
    text = format_duration(nanos / 10**9)
    assert format_duration(parse_duration(text)) == text
