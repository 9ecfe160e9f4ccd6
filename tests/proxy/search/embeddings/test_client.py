import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from tests.proxy.search.embeddings.models import answer, vector
from tests.support.raw_server import HangUp, RawServer
from tests.support.virtual_time import run_virtually
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.network import Network
from vmcp_api.spec.optimizer import Embeddings
from vmcp_proxy.http_client import HttpClient
from vmcp_proxy.search.embeddings.client import MAX_ANSWER_BYTES, EmbeddingsClient
from vmcp_proxy.search.embeddings.errors import EmbeddingsError, Fault


@asynccontextmanager
async def client_of(handle, api_key=None, **settings):
    http = HttpClient()
    async with RawServer(handle).running() as server:
        told = {"url": f"http://127.0.0.1:{server.port}/v1", "network": Network.LOCAL, "insecure_allow_http": True}
        try:
            yield EmbeddingsClient(http, Embeddings(**{**told, "timeout": 5.0, **settings}), api_key), server
        finally:
            await http.aclose()


async def embeds(asked):
    await asked.status(200, answer(json.loads(asked.body)["input"]), "application/json")


async def refused(handle, **settings):
    async with client_of(handle, **settings) as (client, server):
        with pytest.raises(EmbeddingsError) as caught:
            await client.embed(["mail"])
        return caught.value, server


async def test_texts_are_sent_as_the_api_of_openai_has_them():
    async with client_of(embeds, SecretBytes(b"key-1"), model="m-1", headers={"X-Team": "a"}) as (client, server):
        assert await client.embed(["mail", "weather"]) == (vector("mail"), vector("weather"))
    (asked,) = server.asked
    assert (asked.verb, asked.target) == ("POST", "/v1/embeddings")
    assert json.loads(asked.body) == {"input": ["mail", "weather"], "model": "m-1"}
    assert asked.headers["authorization"] == b"Bearer key-1"
    assert asked.headers["x-team"] == b"a"


async def test_a_header_of_the_settings_stands_in_place_of_ours_and_the_key_in_place_of_one():
    headers = {"ACCEPT": "application/x", "authorization": "Basic x"}
    async with client_of(embeds, SecretBytes(b"key-1"), headers=headers) as (client, server):
        await client.embed(["mail"])
    assert server.asked[0].headers["accept"] == b"application/x"
    assert server.asked[0].headers["authorization"] == b"Bearer key-1"


async def test_without_a_model_and_a_key_none_are_named():
    async with client_of(embeds) as (client, server):
        await client.embed(["mail"])
    assert json.loads(server.asked[0].body) == {"input": ["mail"]}
    assert "authorization" not in server.asked[0].headers


@pytest.mark.scenario("T-7")
@pytest.mark.parametrize(
    ("status", "fault", "said"),
    [
        (401, Fault.AWAY, "HTTP status 401; check apiKeySecretRef"),
        (404, Fault.AWAY, "HTTP status 404; check url and model"),
        (413, Fault.REFUSED, "HTTP status 413"),
        (422, Fault.REFUSED, "HTTP status 422"),
        (500, Fault.AWAY, "HTTP status 500"),
    ],
)
async def test_a_status_says_whether_the_texts_may_be_at_fault(status, fault, said):
    async def handle(asked):
        await asked.status(status, b"the text of an error")

    error, _ = await refused(handle)
    assert (error.fault, error.reason) == (fault, said)


async def test_the_pause_that_a_server_asks_for_is_heard():
    async def handle(asked):
        await asked.status(429, retry_after="17")

    error, _ = await refused(handle)
    assert error.retry_after == 17


@pytest.mark.scenario("T-7")
async def test_a_huge_answer_is_not_read():
    async def handle(asked):
        await asked.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2 * MAX_ANSWER_BYTES >> 16):
            await asked.send(b" " * (1 << 16))

    error, _ = await refused(handle)
    assert error.reason == f"the response is larger than {MAX_ANSWER_BYTES} bytes"


@pytest.mark.scenario("T-7")
@pytest.mark.parametrize("begins", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{"])
async def test_an_answer_that_does_not_come_in_time_is_slow(begins):
    async def handle(asked):
        await asked.write(begins)
        await asyncio.Event().wait()

    error, _ = await refused(handle, timeout=0.05)
    assert (error.fault, error.reason) == (Fault.SLOW, "no answer in time")


@pytest.mark.scenario("T-7")
def test_the_head_and_the_rest_of_an_answer_have_one_timeout_together():
    class Slow:
        async def request(self, *arguments, **options):
            await asyncio.sleep(4)
            return self

        async def read(self, limit, **options):
            await asyncio.sleep(4)

    async def ask():
        settings = Embeddings(url="http://h/v1", timeout=5.0, insecure_allow_http=True)
        with pytest.raises(EmbeddingsError, match="no answer in time"):
            await EmbeddingsClient(Slow(), settings, None).embed(["mail"])
        return asyncio.get_running_loop().time()

    assert run_virtually(ask()) == 5.0


@pytest.mark.scenario("T-7")
async def test_a_server_that_hangs_up_is_away():
    async def handle(asked):
        raise HangUp

    error, _ = await refused(handle)
    assert error.fault is Fault.AWAY


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": Network.PUBLIC}, "may not dial"),
        ({"insecure_allow_http": False}, "use https://, or allow it with insecureAllowHttp"),
        ({"headers": {"Content-Length": "7"}}, "header content-length is set by the HTTP client alone"),
    ],
)
async def test_what_may_not_be_dialled_is_not_asked(settings, said):
    error, server = await refused(embeds, **settings)
    assert said in error.reason
    assert server.asked == []


async def test_neither_the_key_nor_the_url_stands_in_what_is_told():
    async def handle(asked):
        await asked.status(500, asked.headers["authorization"])

    error, _ = await refused(handle, api_key=SecretBytes(b"key-1"), headers={"X-Team": "clear"})
    assert not any(part in f"{error!r} {error}" for part in ("key-1", "127.0.0.1", "clear", "mail"))
