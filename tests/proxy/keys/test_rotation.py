"""Which key of a ring signs while the ring changes."""

import pytest

from vmcp_api.session_keys import choose_signing_key, rank
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.keys.rotation import SPREAD_SECONDS, KeyRotation


def ring(*kids, **others):
    """Keys by id, each with bytes of its own; of `others` with these bytes."""
    return Keyring.of({kid: kid.encode().ljust(32, b".") for kid in kids} | others)


def test_at_the_start_the_highest_key_signs_unless_the_config_names_another():
    assert KeyRotation(ring("1", "2")).keyring.signing_kid == "2"
    assert KeyRotation(ring("1", "2"), "1").keyring.signing_kid == "1"
    assert KeyRotation(ring("1", "2"), "3").keyring.signing_kid == "2"


@pytest.mark.scenario("K-11")
def test_a_key_that_is_added_verifies_at_once_and_signs_when_others_have_had_the_time_to_read_it():
    keys = KeyRotation(ring("1"))
    added = keys.take(ring("1", "2"), None, 100.0)
    assert (added.signing_kid, list(added)) == ("1", ["1", "2"])
    assert keys.due == 100.0 + SPREAD_SECONDS
    # What changes meanwhile beside it takes nothing of its time.
    assert keys.take(ring("1", "2"), None, 150.0).signing_kid == "1"
    assert keys.due == 100.0 + SPREAD_SECONDS
    assert keys.take(ring("1", "2"), None, 100.0 + SPREAD_SECONDS).signing_kid == "2"
    assert keys.due is None


@pytest.mark.scenario("K-11")
def test_a_key_that_the_config_names_signs_and_no_other_however_long_that_takes():
    keys = KeyRotation(ring("1"), "1")
    assert keys.take(ring("1", "2"), "1", 0.0).signing_kid == "1"
    assert keys.due is None
    assert keys.take(ring("1", "2"), "1", 10 * SPREAD_SECONDS).signing_kid == "1"
    assert keys.take(ring("1", "2"), "2", 10 * SPREAD_SECONDS).signing_kid == "2"
    assert keys.take(ring("1", "2"), "1", 11 * SPREAD_SECONDS).signing_kid == "1"


def test_a_key_that_is_lower_than_the_one_that_signs_changes_nothing():
    keys = KeyRotation(ring("5"))
    assert keys.take(ring("4", "5"), None, 0.0).signing_kid == "5"
    assert keys.due is None


def test_where_the_key_that_signs_is_taken_away_the_highest_of_the_others_signs_that_is_known_for_long():
    keys = KeyRotation(ring("1", "2"), "2")
    assert keys.take(ring("1", "3"), "2", 0.0).signing_kid == "1"
    assert keys.take(ring("3"), "2", 1.0).signing_kid == "3"


def test_a_ring_that_was_replaced_signs_with_its_highest_key_at_once():
    keys = KeyRotation(ring("1"))
    other = ring(**{"1": b"x" * 32, "2": b"y" * 32})
    assert keys.take(other, None, 0.0).signing_kid == "2"
    assert keys.due is None
    # Other bytes under an id are another key.
    assert keys.take(ring(**{"1": b"x" * 32, "2": b"z" * 32}), None, 1.0).signing_kid == "1"
    assert keys.due == 1.0 + SPREAD_SECONDS


def test_a_ring_tells_by_its_signing_key_what_it_derives_and_nothing_else():
    both = ring("1", "2")
    lower = both.signed_by("1")
    assert (lower.signing_kid, both.signing_kid, list(lower)) == ("1", "2", ["1", "2"])
    assert lower.is_same(both)
    assert both.signed_by("2") is both
    with pytest.raises(KeyError):
        both.signed_by("3")
    assert ring("1", "2", "3").keeps(both)
    assert not ring("1", **{"2": b"x" * 32}).keeps(both)


@pytest.mark.scenario("K-11")
@pytest.mark.parametrize(
    ("rings", "former", "chosen"),
    [
        ([["1"], ["1", "2"]], "1", "1"),
        ([["1", "2"], ["1", "2"]], "1", "2"),
        ([["2", "10"], ["10", "2"]], "2", "10"),
        ([["1"], ["1", "2"]], "2", "1"),
        ([["1"], ["2"]], "1", "1"),
        ([["2"]], "1", "2"),
        ([], "1", "1"),
        ([], None, None),
        ([["1", "x" * 33, "a.b", "2\n", "٣"]], "1", "1"),
        ([["a.b"]], "1", "1"),
    ],
    ids=str,
)
def test_the_highest_key_signs_that_every_pod_has(rings, former, chosen):
    assert choose_signing_key(rings, former) == chosen


def test_ids_rank_by_value_and_numbers_above_words():
    assert sorted(["b", "10", "a", "9", "2"], key=rank) == ["a", "b", "2", "9", "10"]
