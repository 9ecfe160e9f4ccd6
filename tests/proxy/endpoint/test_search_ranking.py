"""What tools are ranked by: words, vectors that are installed or not, and a server of embeddings that may be away."""

import asyncio
import contextlib
import json
from itertools import product

import pytest

from tests.proxy.endpoint.test_search import found, searching, shop
from tests.proxy.search.embeddings.models import answer
from tests.support.raw_client import WAIT_SECONDS
from tests.support.raw_server import HangUp, RawServer
from tests.support.scene import scene
from tests.support.scripted_backend import tool
from vmcp_proxy.search.ranking import installed
from vmcp_proxy.search.ranking.static_files import Unavailable

MAIL = {**tool("post"), "description": "Sends mail"}
KEY = {("model", "key"): "key-of-the-model"}
KEY_REF = {"name": "model", "key": "key"}


def asking(server: RawServer, **more) -> dict:
    """The config of a proxy that asks this server for vectors."""
    url = f"http://127.0.0.1:{server.port}/v1"
    return searching(embeddings={"url": url, "network": "local", "insecureAllowHttp": True, "timeout": 5, **more})


async def until_reported(world, state: str) -> dict:
    async with asyncio.timeout(WAIT_SECONDS):
        while (report := (await world.status())["search"])["embeddings"]["state"] != state:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    return report


async def until_ranked(server: RawServer, client) -> None:
    """Searches until the model has ranked."""
    before = len(server.asked)
    async with asyncio.timeout(WAIT_SECONDS):
        while not any(json.loads(each.body)["input"] == ["mail"] for each in server.asked[before:]):
            await client.call("find_tool", {"query": "mail"})


async def embed(asked) -> None:
    await asked.status(200, answer(json.loads(asked.body)["input"]), "application/json")


@pytest.mark.scenario("T-7")
async def test_without_the_vectors_words_alone_rank_and_the_status_tells(monkeypatch):
    async with scene({"one": shop()}, config=searching()) as world, world.session() as client:
        assert (await world.status())["search"]["ranking"] == "hybrid"
        assert await found(client, "open an issue") == ["one_create_issue"]
        assert "search" in await world.status()
        world.apply(config=searching(enabled=False))
        assert "search" not in await world.status()
    monkeypatch.setattr(installed, "load_static_table", lambda: Unavailable("not installed"))
    async with scene({"one": shop()}, config=searching()) as world, world.session() as client:
        assert await found(client, "open an issue") == ["one_create_issue"]
        assert (await world.status())["search"] == {"ranking": "lexical"}


@pytest.mark.scenario("T-7")
async def test_a_server_of_embeddings_is_asked_for_what_is_searched_under_its_key():
    async with RawServer(embed).running() as server:
        config = asking(server, apiKeySecretRef=KEY_REF)
        async with scene({"one": shop(MAIL)}, config=config, secrets=KEY) as world, world.session() as client:
            await until_ranked(server, client)
            assert server.asked[0].headers["authorization"] == b"Bearer key-of-the-model"
            assert (await until_reported(world, "ok"))["embeddings"] == {"state": "ok", "message": ""}


async def test_a_reload_that_means_the_same_server_asks_it_nothing_again():
    async with RawServer(embed).running() as server:
        config = asking(server)
        async with scene({"one": shop(MAIL)}, config=config) as world, world.session() as client:
            await until_ranked(server, client)
            asked = len(server.asked)
            config["optimizer"]["threshold"] = 5
            world.apply(config=config)
            await client.call("find_tool", {"query": "mail"})
            assert len(server.asked) == asked
            config["optimizer"]["embeddings"]["model"] = "another"
            world.apply(config=config)
            await until_ranked(server, client)
            assert json.loads(server.asked[-1].body)["model"] == "another"


@contextlib.asynccontextmanager
async def away(fault: str):
    """A server of embeddings that is of no use."""

    async def answer_badly(asked) -> None:
        match fault:
            case "hangs up":
                raise HangUp
            case "is silent":
                await asyncio.Event().wait()
            case "refuses":
                await asked.status(401)
            case "lies":
                await asked.status(200, b'{"data":[{"index":0,"embedding":[1e999]}]}', "application/json")
            case "floods":
                await asked.status(200, b"[" * (5 << 20), "application/json")

    async with RawServer(answer_badly).running() as server:
        yield server


@pytest.mark.scenario("T-7")
@pytest.mark.parametrize("fault", ["hangs up", "is silent", "refuses", "lies", "floods"])
async def test_a_server_of_embeddings_that_is_of_no_use_costs_nobody_a_search_and_is_told(fault):
    async with away(fault) as server:
        config = asking(server, timeout=0.2)
        async with scene({"one": shop()}, config=config) as world, world.session() as client:
            assert await found(client, "open an issue") == ["one_create_issue"]
            report = await until_reported(world, "unavailable")
            assert report["embeddings"]["message"]
            assert await found(client, "open an issue") == ["one_create_issue"]


@pytest.mark.scenario("T-7")
async def test_a_key_that_is_not_there_is_told_and_nothing_is_asked():
    async with RawServer(embed).running() as server:
        config = asking(server, apiKeySecretRef=KEY_REF)
        async with scene({"one": shop()}, config=config) as world, world.session() as client:
            report = await until_reported(world, "unavailable")
            assert "'model'" in report["embeddings"]["message"]
            assert await found(client, "open an issue") == ["one_create_issue"]
            assert server.asked == []


@pytest.mark.scenario("T-1")
async def test_the_status_has_what_lists_cost_with_and_without_the_search():
    async with scene({"one": shop()}, config=searching()) as world, world.session() as client:
        whole = len(json.dumps((await client.result("tools/list"))["tools"]))
        counts = (await world.status())["counts"]
        assert counts["tools"] == 26
        assert counts["listedContextBytes"] <= whole
        values = await world.metrics()
        tokens = {
            (backend, which): values.get(f'vmcp_search_context_tokens{{backend="{backend}",tools="{which}"}}')
            for backend, which in product(("", "one"), ("all", "listed"))
        }
        assert tokens["one", "all"] == -(-counts["contextBytes"] // 4)
        assert tokens["", "listed"] == -(-counts["listedContextBytes"] // 4)
        assert (tokens["one", "listed"], tokens["", "all"]) == (None, None)
        world.apply(config=searching(threshold=100))
        assert "listedContextBytes" not in (await world.status())["counts"]
        assert not any(name.startswith("vmcp_search_context_tokens") for name in await world.metrics())


@pytest.mark.scenario("T-7")
async def test_what_breaks_in_ranking_breaks_no_endpoint(monkeypatch):
    def breaks(*_args):
        raise RuntimeError("no table")

    monkeypatch.setattr(installed, "load_static_table", breaks)
    async with scene({"one": shop()}, config=searching()) as world, world.session() as client:
        assert await client.names() == ["call_tool", "find_tool"]
        failed = await client.call("find_tool", {"query": "open an issue"})
        assert failed["isError"]
        assert "by their names" in failed["content"][0]["text"]
        assert (await client.call("call_tool", {"name": "one_send_mail"}))["content"]
        assert (await world.metrics())['vmcp_search_requests_total{outcome="failed"}'] == 1


@pytest.mark.scenario("T-7")
async def test_an_error_of_ours_while_vectors_are_asked_for_ends_no_process(monkeypatch):
    async def breaks(*_args):
        raise RuntimeError("ours")

    monkeypatch.setattr("vmcp_proxy.search.embeddings.embedder.Embedder._fill", breaks)
    async with (
        RawServer(embed).running() as server,
        scene({"one": shop()}, config=asking(server)) as world,
        world.session() as client,
    ):
        assert await found(client, "open an issue") == ["one_create_issue"]
        assert "see the log" in (await until_reported(world, "unavailable"))["embeddings"]["message"]
        assert await found(client, "open an issue") == ["one_create_issue"]
