import asyncio
import threading

import pytest

from tests.proxy.search.embeddings.models import Model, filled, passage
from vmcp_proxy.search.embeddings import attempts
from vmcp_proxy.search.embeddings.attempts import Attempts
from vmcp_proxy.search.embeddings.embedder import Embedder
from vmcp_proxy.search.embeddings.errors import EmbeddingsError, Fault
from vmcp_proxy.search.embeddings.state import Condition
from vmcp_proxy.search.embeddings.store import VectorStore

PASSAGES = [passage(text) for text in ("send a mail", "the weather", "pay an invoice", "book a flight")]
AWAY = EmbeddingsError("HTTP status 503")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 0.01)


async def test_tools_are_ranked_by_the_model():
    embedder = Embedder(Model())
    await filled(embedder, PASSAGES)
    assert (await embedder.rank(PASSAGES, "an invoice by mail"))[:2] == (0, 2)
    assert (await embedder.rank(PASSAGES[::-1], "flight"))[0] == 0
    assert embedder.state.condition is Condition.READY
    assert await embedder.rank([], "flight") is None


@pytest.mark.scenario("T-7")
async def test_a_search_does_not_wait_for_the_vectors_of_tools():
    model = Model()
    embedder = Embedder(model)
    assert await embedder.rank(PASSAGES, "mail") is None
    assert model.asked == []
    assert embedder.state.condition is Condition.PREPARING
    assert embedder.state.waiting == len(PASSAGES)
    await filled(embedder, [])
    assert await embedder.rank(PASSAGES, "mail")


async def test_a_vector_is_asked_for_once_for_each_text_whoever_has_it():
    model = Model()
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    await filled(embedder, [*PASSAGES[1:], passage("another")])
    assert [text for texts in model.asked for text in texts].count(PASSAGES[1].text) == 1
    assert model.asked[-1] == (passage("another").text,)


async def test_one_tool_of_many_that_has_no_vector_yet_keeps_no_search_from_the_model():
    many = [passage(f"tool {number}") for number in range(40)]
    embedder = Embedder(Model())
    await filled(embedder, many)
    assert await embedder.rank([*many, passage("new")], "mail") is not None
    assert await embedder.rank([*many, *(passage(f"new {number}") for number in range(3))], "mail") is None


async def test_equal_queries_at_the_same_time_are_asked_once_and_remembered():
    model = Model()
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    model.asked.clear()
    rankings = await asyncio.gather(*(embedder.rank(PASSAGES, "mail") for _ in range(5)))
    await embedder.rank(PASSAGES, "mail")
    assert model.asked == [("mail",)]
    assert len(set(rankings)) == 1


@pytest.mark.scenario("T-7")
async def test_a_search_waits_no_longer_than_the_timeout_and_the_next_one_not_at_all(monkeypatch):
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 1000.0)
    model = Model(timeout=0.05)
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    model.asked.clear()
    model.gate.clear()
    assert await asyncio.gather(*(embedder.rank(PASSAGES, "mail") for _ in range(3))) == [None] * 3
    assert embedder.state.condition is Condition.AWAY
    assert model.asked == [("mail",)]


@pytest.mark.scenario("T-7")
async def test_searches_that_wait_for_the_same_in_vain_make_one_pause(monkeypatch):
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 100.0)
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 100_000.0)
    embedder = Embedder(model := Model(timeout=0.05))
    await filled(embedder, PASSAGES)
    model.gate.clear()
    await asyncio.gather(*(embedder.rank(PASSAGES, "mail") for _ in range(5)))
    assert embedder._attempts.until - asyncio.get_running_loop().time() <= 100


@pytest.mark.scenario("T-7")
async def test_while_the_server_is_away_searches_do_not_ask_it_and_the_state_says_why(monkeypatch):
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 1000.0)
    model = Model()
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    model.fails = [AWAY]
    model.asked.clear()
    assert await embedder.rank(PASSAGES, "mail") is None
    assert await embedder.rank(PASSAGES, "weather") is None
    assert model.asked == [("mail",)]
    assert embedder.state.condition is Condition.AWAY
    assert embedder.state.reason == "HTTP status 503"


@pytest.mark.scenario("T-7")
async def test_a_server_that_comes_back_is_asked_again():
    model = Model(AWAY, AWAY, EmbeddingsError("no answer in time", Fault.SLOW))
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    assert embedder.state.condition is Condition.READY
    assert (await embedder.rank(PASSAGES, "mail"))[0] == 0


async def test_a_text_that_the_model_refuses_is_ranked_by_the_others_alone():
    model = Model()
    model.refuses = "weather"
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    assert set(await embedder.rank(PASSAGES, "mail")) == {0, 2, 3}
    assert await embedder.rank(PASSAGES, "weather") is None
    assert embedder.state.condition is Condition.READY


@pytest.mark.scenario("T-7")
async def test_another_model_behind_the_same_url_is_not_mixed_with_the_one_before():
    model = Model()
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    model.extra = b"\0\0"
    assert await embedder.rank(PASSAGES, "mail") is None
    assert "another length" in embedder.state.reason
    await filled(embedder, PASSAGES)
    assert (await embedder.rank(PASSAGES, "mail"))[0] == 0


async def test_more_tools_than_vectors_that_are_kept_are_not_asked_for_again_and_again():
    model = Model()
    embedder = Embedder(model, VectorStore(max_bytes=500))
    await filled(embedder, PASSAGES)
    assert embedder.state.condition is Condition.FULL
    asked = len(model.asked)
    await filled(embedder, PASSAGES)
    assert len(model.asked) == asked


async def test_a_search_that_is_cancelled_takes_the_answer_from_no_other():
    model = Model()
    embedder = Embedder(model)
    await filled(embedder, PASSAGES)
    model.gate.clear()
    first, second = (asyncio.create_task(embedder.rank(PASSAGES, "mail")) for _ in range(2))
    await asyncio.sleep(0)
    assert len(model.asked) == 2
    first.cancel()
    await asyncio.wait([first])
    model.gate.set()
    assert (await second)[0] == 0


def test_pauses_grow_to_a_minute_and_follow_the_server(monkeypatch):
    monkeypatch.setattr(attempts, "_FIRST_PAUSE", 1.0)
    tried = Attempts()
    assert [tried.failed("x", 0.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert tried.failed("x", 100.0, retry_after=300) == 300
    assert tried.until == 400
    tried.succeeded()
    assert (tried.reason, tried.failed("x", 0.0)) == ("", 1)


async def test_rankings_that_nobody_waits_for_any_more_take_no_threads_of_others(monkeypatch):
    running, go = [], threading.Event()

    def wait(*_: object) -> tuple[int, ...]:
        running.append(threading.current_thread())
        assert go.wait(30)
        return (0,)

    monkeypatch.setattr("vmcp_proxy.search.embeddings.embedder.nearest", wait)
    embedder = Embedder(Model())
    await filled(embedder, PASSAGES)
    rankings = [asyncio.create_task(embedder.rank(PASSAGES, "mail")) for _ in range(6)]
    async with asyncio.timeout(30):
        while len(running) < 2:  # noqa: ASYNC110 - threads set no event of the loop
            await asyncio.sleep(0.001)
    for ranking in rankings:
        ranking.cancel()
    await asyncio.wait(rankings)
    others = {await asyncio.to_thread(threading.current_thread) for _ in range(3)}
    assert len(running) == 2
    assert not others & set(running)
    go.set()
    assert await embedder.rank(PASSAGES, "mail") == (0,)
