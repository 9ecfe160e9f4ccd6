import numpy as np

from vmcp_proxy.search.embeddings.store import IDLE_SECONDS, VectorStore, nearest

ONE = b"v" * 1000


def test_what_is_in_use_stays_and_what_comes_too_much_finds_no_place():
    store = VectorStore(max_bytes=3000)
    assert store.add(b"a", ONE, 0.0)
    assert store.add(b"b", ONE, 0.0)
    assert not store.add(b"c", ONE, 1.0)
    assert store.is_full(1.0)
    assert store.missing([b"a", b"b", b"c"], 2.0) == [2]


def test_what_no_search_needs_any_more_makes_place():
    store = VectorStore(max_bytes=3000)
    store.add(b"a", ONE, 0.0)
    store.add(b"b", ONE, 0.0)
    store.missing([b"b"], IDLE_SECONDS)
    assert store.add(b"c", ONE, IDLE_SECONDS + 1)
    assert store.missing([b"a", b"b", b"c"], IDLE_SECONDS + 1) == [0]
    assert not store.is_full(IDLE_SECONDS + 1)


def test_a_passage_that_has_no_vector_is_not_missing():
    store = VectorStore()
    store.add(b"a", b"", 0.0)
    assert store.missing([b"a"], 1.0) == []
    assert store.vectors_of([b"a", b"b"]) == [b"", b""]


def test_the_same_vector_twice_costs_once():
    store = VectorStore(max_bytes=1500)
    assert store.add(b"a", ONE, 0.0)
    assert store.add(b"a", ONE, 0.0)


def test_the_nearest_come_first_and_those_without_a_vector_not_at_all():
    rows = np.random.default_rng(2).normal(size=(2000, 8))
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    vectors = [row.astype("<f2").tobytes() for row in rows]
    vectors[7], vectors[9] = b"", b"\0\0"
    asked = np.frombuffer(vectors[1500], "<f2").astype(float)
    cosines = {
        at: float(np.frombuffer(each, "<f2").astype(float) @ asked)
        for at, each in enumerate(vectors)
        if len(each) == 16
    }
    expected = sorted(cosines, key=lambda at: -cosines[at])
    found = nearest(vectors, vectors[1500], 10)
    assert found[0] == 1500
    assert [round(cosines[at], 5) for at in found] == [round(cosines[at], 5) for at in expected[:10]]
    assert nearest([b"", b""], vectors[0], 10) == ()
