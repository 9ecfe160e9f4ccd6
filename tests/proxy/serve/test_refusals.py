"""What never reaches the application is refused in words, counted by status, and logged now and then."""

import asyncio
import logging
from http import HTTPStatus

import pytest

from tests.proxy.serve.harness import World, call, eventually, exchange
from tests.proxy.serve.parts import in_whole
from tests.proxy.serve.test_bounds import CHUNKED, chunked
from tests.proxy.serve.test_http_protocol import request
from tests.proxy.serve.test_upgrades import JDK
from vmcp_proxy.protocol.jsonrpc import encode_result
from vmcp_proxy.serve.http import limits, refusals
from vmcp_proxy.serve.http.refusal_log import LOG_SECONDS, RefusalLog

ROWS = {
    "a long head": (b"POST /mcp HTTP/1.1\r\nx: " + b"a" * 70_000, 431, b"64 KiB"),
    "many fields": (b"POST /mcp HTTP/1.1\r\n" + b"a:\r\n" * 1100, 431, b"1024 fields"),
    "a long trailer": (chunked(call(), trailer=b"x: " + b"y" * 90_000), 431, b"trailer"),
    "no host": (b"GET /mcp HTTP/1.1\r\n\r\n", 400, b"without a Host"),
    "chunked in 1.0": (chunked(call()).replace(b"HTTP/1.1", b"HTTP/1.0"), 400, b"Content-Length"),
    "another coding": (chunked(call()).replace(CHUNKED, b"transfer-encoding: gzip"), 501, b"chunked"),
    "2.0": (request(call(), version=b"2.0"), 505, b"HTTP/2.0 came"),
    "HTTP/2 unasked": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, b"HTTP/2 came"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", 400, b"use http://"),
    "a tunnel": (b"CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n", 400, b"no forward proxy"),
    "a bad target": (b"GET http://[secret/ HTTP/1.1\r\nhost: x\r\n\r\n", 400, b"target cannot be read"),
    "a bad field": (b"GET /mcp HTTP/1.1\r\nhost: x\r\nsecret b\r\n\r\n", 400, b"no HTTP/1.1 request ("),
    "two framings": (chunked(call(), b"content-length: 3"), 400, b"no HTTP/1.1 request ("),
    "half a head": (b"POST /mcp HTTP/1.1\r\nhost: x\r\n", 400, b"before it was complete"),
    "half a body": (request(call())[:-3], 400, b"before it was complete"),
}


@pytest.mark.parametrize("name", ROWS)
async def test_a_refusal_says_what_came_and_what_to_do_and_is_counted_by_its_status(name):
    sent, status, words = ROWS[name]
    async with World().serving() as world:
        said = await (in_whole if name.startswith("half") else exchange)(world.port, sent)
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"content-type: text/plain; charset=utf-8" in head
        assert b"content-length: %d\r\n" % len(body) in head
        assert b"connection: close" in head
        assert words in body
        assert b"secret" not in body
        assert world.scrape()[f'vmcp_http_rejected_total{{layer="connection",status="{status}"}}'] == 1
        assert (await world.post()).status_code == 200


async def test_a_body_that_takes_too_long_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.0)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)
    async with World().serving() as world:
        said = await exchange(world.port, request(call())[:-3])
        assert said.startswith(b"HTTP/1.1 408 ")
        assert refusals.BODY_TOO_SLOW.text.encode() in said
        assert world.scrape()['vmcp_http_rejected_total{layer="connection",status="408"}'] == 1


async def test_what_is_refused_behind_another_request_is_counted_although_it_gets_no_answer():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def dispatch(context):
        begun.set()
        await go_on.wait()
        await context.respond(200, encode_result(context.message.id, b"{}"))

    async with World(dispatch=dispatch).serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(request(call()) + b"GET /mcp HTTP/1.1\r\n\r\n")
        await begun.wait()
        await eventually(lambda: 'vmcp_http_rejected_total{layer="connection",status="400"}' in world.scrape())
        go_on.set()
        async with asyncio.timeout(10):
            said = await reader.read()
        writer.close()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("framing", [b"transfer-encoding: gzip", b"transfer-encoding: gzip, chunked"])
async def test_a_wish_for_another_protocol_changes_nothing_about_what_is_refused(framing):
    plain = chunked(call()).replace(CHUNKED, framing)
    wishing = plain.replace(b"host: x\r\n", b"host: x\r\n" + JDK)
    async with World().serving() as world:
        answers = [await exchange(world.port, each) for each in (plain, wishing)]
        assert answers[0] == answers[1]
        assert answers[0].startswith(b"HTTP/1.1 501 ")
        for sent in (request(call(), version=b"2.0"), request(call()).replace(b"host: x\r\n", b"")):
            wished = sent.replace(b"content-type", JDK + b"content-type")
            assert await exchange(world.port, sent) == await exchange(world.port, wished)


def test_of_each_status_one_refusal_is_logged_in_a_minute_and_the_others_are_told_with_the_next(caplog):
    caplog.set_level(logging.WARNING)
    now, counted = [0.0], []
    log = RefusalLog(logging.getLogger("vmcp.serve"), counted.append, lambda: now[0])
    for _ in range(1000):
        log.note(refusals.NO_HOST, "192.0.2.1")
        log.note(refusals.UNKNOWN_CODING, "192.0.2.1")
    now[0] = LOG_SECONDS
    log.note(refusals.TLS, "192.0.2.2")
    assert counted.count(400) == 1001
    assert counted.count(HTTPStatus.NOT_IMPLEMENTED) == 1000
    fields = [record.vmcp_fields for record in caplog.records]
    assert [(each["status"], each["client"], each["unlogged_before"]) for each in fields] == [
        (400, "192.0.2.1", 0),
        (501, "192.0.2.1", 0),
        (400, "192.0.2.2", 999),
    ]
    assert fields[-1]["reason"] == refusals.TLS.text
