import json

import numpy as np
import pytest

from tests.proxy.search.embeddings.models import answer, vector
from vmcp_proxy.search.embeddings.answer import MAX_DIMENSIONS, read_answer
from vmcp_proxy.search.embeddings.errors import EmbeddingsError, Fault


def items(*pairs):
    return json.dumps({"data": [{"index": index, "embedding": numbers} for index, numbers in pairs]}).encode()


def test_each_text_has_its_vector_at_length_one():
    assert read_answer(answer(["mail", "weather"]), 2) == (vector("mail"), vector("weather"))
    (read,) = read_answer(items((0, [3, 4])), 1)
    assert np.frombuffer(read, "<f2") == pytest.approx([0.6, 0.8], abs=1e-3)


def test_vectors_that_come_in_another_order_are_put_in_theirs():
    assert read_answer(items((1, [0.0, 1.0]), (0, [1.0, 0.0])), 2) == read_answer(
        items((0, [1.0, 0.0]), (1, [0.0, 1.0])), 2
    )


@pytest.mark.scenario("T-7")
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no list of embeddings"),
        (b"[]", "no list of embeddings"),
        (b"<html>", "no list of embeddings"),
        (b"\xff", "no list of embeddings"),
        (b"[" * 100_000, "no list of embeddings"),
        (b'{"data":null}', "no list of embeddings"),
        (b'{"data":[{"index":0,"embedding":"AAAA"}]}', "no list of embeddings"),
        (b'{"data":[{"index":0,"embedding":[NaN]},{"index":1,"embedding":[1]}]}', "no list of embeddings"),
        (items((0, [1.0]), (1, [None])), "no list of embeddings"),
        (items((0, [1.0])), "1 vectors for 2 texts"),
        (items((0, [1.0]), (1, [1.0]), (2, [1.0])), "3 vectors for 2 texts"),
        (items((0, [1.0]), (0, [1.0])), "which vector belongs to which text"),
        (items((0, [1.0]), (2, [1.0])), "which vector belongs to which text"),
        (items((0, [1.0]), (1, [1.0, 2.0])), "different lengths"),
        (items((0, []), (1, [])), "vectors of 0 numbers"),
        (items((0, [1.0] * (MAX_DIMENSIONS + 1)), (1, [1.0] * (MAX_DIMENSIONS + 1))), f"from 1 to {MAX_DIMENSIONS}"),
        (items((0, [0.0, 0.0]), (1, [1.0, 0.0])), "without a direction"),
        (items((0, [1e300, 0.0]), (1, [1.0, 0.0])), "none of a vector"),
        (b'{"data":[{"index":0,"embedding":[1e999]},{"index":1,"embedding":[1]}]}', "n"),
    ],
)
def test_an_answer_that_has_no_vector_for_each_text_is_refused(raw, reason):
    with pytest.raises(EmbeddingsError) as refused:
        read_answer(raw, 2)
    assert reason in refused.value.reason
    assert refused.value.fault is Fault.AWAY
