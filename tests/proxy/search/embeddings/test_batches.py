from tests.proxy.search.embeddings.models import passage
from vmcp_proxy.search.embeddings import batches
from vmcp_proxy.search.embeddings.batches import Batches
from vmcp_proxy.search.embeddings.client import MAX_BATCH
from vmcp_proxy.search.embeddings.errors import Fault
from vmcp_proxy.search.embeddings.passages import SHORT_PASSAGE

PASSAGES = [passage(f"tool {number}") for number in range(100)]


def of(passages):
    waiting = Batches()
    waiting.add(passages)
    return waiting


def play(waiting, is_refused, limit=1000):
    """Answers each batch, or refuses it; what has vectors, what is given up, and whether the server was left alone."""
    good, gone, pauses = [], [], 0
    for _ in range(limit):
        if not (batch := waiting.take()):
            break
        if any(map(is_refused, batch)):
            given_up = waiting.failed(batch, Fault.REFUSED)
            pauses += given_up is None
            gone += given_up or ()
        else:
            waiting.succeeded(batch, 0.0, 1.0)
            good += batch
    return good, gone, pauses


def test_what_waits_is_asked_for_in_batches_in_its_order_and_once():
    waiting = of(PASSAGES)
    waiting.add(PASSAGES)
    first = waiting.take()
    assert first == tuple(PASSAGES[:MAX_BATCH])
    assert waiting.take() == first
    good, gone, pauses = play(waiting, lambda each: False)
    assert (good, gone, pauses, len(waiting)) == (PASSAGES, [], 0, 0)


def test_one_passage_that_is_refused_keeps_no_other_from_its_vector():
    bad = {PASSAGES[5].digest, PASSAGES[6].digest, PASSAGES[70].digest}
    good, gone, pauses = play(of(PASSAGES), lambda each: each.digest in bad)
    assert {each.digest for each in gone} == bad
    assert {each.digest for each in good} == {each.digest for each in PASSAGES} - bad
    assert pauses == 0


def test_a_long_passage_that_is_refused_is_asked_for_by_its_beginning():
    long = passage("word " * 300)
    good, gone, _ = play(of([*PASSAGES[:3], long]), lambda each: len(each.text) > SHORT_PASSAGE)
    assert gone == []
    assert {each.digest for each in good} >= {long.digest}


def test_a_server_that_refuses_everything_is_left_alone_after_some_requests():
    waiting = of(PASSAGES)
    _, gone, pauses = play(waiting, lambda each: True, limit=21)
    assert pauses == 1
    assert len(gone) < 10
    assert len(waiting) == len(PASSAGES) - len(gone)


def test_a_batch_that_takes_too_long_makes_the_next_ones_smaller_and_quick_ones_larger():
    waiting = of(PASSAGES)
    assert waiting.failed(waiting.take(), Fault.SLOW) == ()
    assert len(waiting.take()) == MAX_BATCH // 2
    waiting.succeeded(waiting.take(), 0.1, 1.0)
    assert len(waiting.take()) == MAX_BATCH


def test_one_passage_that_takes_too_long_lies_with_the_server():
    assert of(PASSAGES[:1]).failed((PASSAGES[0],), Fault.SLOW) is None


def test_a_server_that_is_away_is_left_alone_and_everything_waits():
    waiting = of(PASSAGES)
    assert waiting.failed(waiting.take(), Fault.AWAY) is None
    assert len(waiting) == len(PASSAGES)


def test_more_than_can_wait_is_left_out(monkeypatch):
    monkeypatch.setattr(batches, "_MAX_WAITING", 5)
    assert len(of(PASSAGES)) == 5
