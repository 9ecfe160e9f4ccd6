"""Audit lines at a syslog server: messages of RFC 5424, by UDP, by TCP with their length, and by TLS."""

import asyncio
import json
import os
import socket
import ssl
from datetime import UTC, datetime

import pytest
import trustme

from tests.proxy.observability.queueing import LOGGER, SECONDS, loss_line
from tests.support.raw_client import eventually
from tests.support.syslog import SyslogServer
from tests.support.tcp import listening
from vmcp_proxy.http_client.peer import TrustSetting
from vmcp_proxy.http_client.tls import build_context
from vmcp_proxy.observability.audit import queue as module
from vmcp_proxy.observability.audit.queue import AuditQueue
from vmcp_proxy.observability.audit.sinks import syslog
from vmcp_proxy.observability.audit.sinks.syslog import SyslogFormat, TcpSink, UdpSink
from vmcp_proxy.protocol.tls_trouble import HANGS_UP, NO_TLS, WANTS_TLS

pytestmark = pytest.mark.scenario("O-5")
FORM = SyslogFormat.of(13, "vmcp")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.005)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(module, "_AWAY_SECONDS", 0.0)


def line(number, outcome="success", **more):
    event = {"log": "audit", "time": datetime(2026, 11, 30, 1, 2, 3, 45, UTC).isoformat(), "type": "mcp_tool_call"}
    return json.dumps({**event, "outcome": outcome, "n": number, **more}, ensure_ascii=False).encode() + b"\n"


class Through:
    """A queue to a sink for the block, which has sent everything afterwards; the event loop goes on meanwhile."""

    def __init__(self, sink):
        self.queue = AuditQueue(sink, LOGGER, loss_line)

    async def __aenter__(self):
        return self.queue

    async def __aexit__(self, *_):
        await asyncio.to_thread(self.queue.close, SECONDS)


def numbers(server):
    return [json.loads(message.text)["n"] for message in server.messages]


async def test_a_message_has_the_fields_of_rfc_5424_and_the_line_as_its_text():
    lines = [line(0), line(1, "denied", name="é\u2028"), line(2, "error"), line(3, "failure")]
    async with SyslogServer().running() as server:
        async with Through(TcpSink(("127.0.0.1", server.port), FORM)) as queue:
            for each in lines:
                queue.write(each)
        await eventually(lambda: len(server.messages) == len(lines))
    first = server.messages[0]
    assert (first.facility, first.app, first.id, first.process) == (13, "vmcp", "mcp_tool_call", os.getpid())
    assert (first.host, first.time) == (socket.gethostname(), "2026-11-30T01:02:03.000045Z")
    assert [message.severity for message in server.messages] == [6, 4, 3, 4]
    assert server.texts == b"".join(lines)


async def test_nothing_is_lost_while_a_server_is_away_and_order_is_kept(caplog):
    server = SyslogServer()
    async with server.running():
        sink = TcpSink(("127.0.0.1", server.port), FORM)
        queue = AuditQueue(sink, LOGGER, loss_line)
        queue.write(line(0))
        await eventually(lambda: numbers(server) == [0])
    for number in range(1, 2000):
        queue.write(line(number))
    await eventually(lambda: "audit sink is away; events wait" in caplog.text)
    async with server.running():
        await eventually(lambda: len(server.messages) >= 2000)
        await asyncio.to_thread(queue.close, SECONDS)
    assert numbers(server) == list(range(2000))
    assert (queue.dropped, server.connections) == (0, 2)


async def test_a_server_that_hangs_up_gets_the_rest_on_the_next_connection():
    """Between its last read and its closing there is what nobody can know; events that come twice have one id."""
    async with SyslogServer(hangs_up_after=7).running() as server:
        async with Through(TcpSink(("127.0.0.1", server.port), FORM)) as queue:
            for number in range(50):
                queue.write(line(number))
                await eventually(lambda number=number: number in numbers(server) or queue.waiting == 0)
        assert queue.dropped == 0
    found = numbers(server)
    assert server.connections >= 6
    assert sorted(set(found)) == list(dict.fromkeys(found))
    assert len(set(found)) > 40


async def test_a_server_that_does_not_read_is_given_up_within_a_bound_and_tried_again(monkeypatch, caplog):
    monkeypatch.setattr(syslog, "_SEND_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as deaf:
        queue = AuditQueue(TcpSink(deaf.getsockname()[:2], FORM), LOGGER, loss_line)
        big = line(1, x="x" * 60_000)
        for _ in range(300):
            queue.write(big)
        await eventually(lambda: "audit sink is away; events wait" in caplog.text)
        assert queue.waiting > 0
        await asyncio.to_thread(queue.close, 0.1)
    assert queue.dropped > 0


async def test_by_tls_a_server_is_trusted_by_the_bundle_alone_and_shown_a_certificate(caplog, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.02)
    ca, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    mine = ca.issue_cert("client.example")

    def sink(authority):
        certificate, key = (mine.cert_chain_pems[0], mine.private_key_pem)
        trust = TrustSetting(authority.cert_pem.bytes().decode(), certificate.bytes().decode(), key.bytes().decode())
        return TcpSink(("127.0.0.1", server.port), FORM, lambda: build_context(trust))

    async with SyslogServer(context=context).running() as server:
        async with Through(sink(other)) as queue:
            queue.write(line(0))
            await eventually(lambda: "audit sink is away; events wait" in caplog.text)
            queue.switch(sink(ca))
            for number in range(1, 500):
                queue.write(line(number))
        await eventually(lambda: len(server.messages) == 500)
    assert numbers(server) == list(range(500))
    assert server.peers[-1]


async def test_a_server_that_speaks_tls_where_none_is_wanted_or_none_where_it_is_costs_no_line(monkeypatch):
    # How long a sink that is away may keep its lines from the one that comes after it.
    monkeypatch.setattr("vmcp_proxy.observability.audit.queue.CLOSE_SECONDS", 0.1)

    async def alert(_reader, writer):
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")
        await writer.drain()

    async def reset(_reader, writer):
        writer.transport.abort()

    for act, words in ((alert, WANTS_TLS), (reset, HANGS_UP)):
        async with listening(act) as port, SyslogServer().running() as server:
            async with Through(TcpSink(("127.0.0.1", port), FORM)) as queue:
                queue.write(line(0))
                await eventually(lambda queue=queue, words=words: queue.trouble == words)
                queue.switch(TcpSink(("127.0.0.1", server.port), FORM))
                await eventually(lambda server=server: numbers(server) == [0])
            assert queue.dropped == 0

    async def plain(reader, writer):
        await reader.read(10)
        writer.write(b"what is that?")
        await writer.drain()

    async with listening(plain) as port, SyslogServer().running() as server:
        secure = TcpSink(("127.0.0.1", port), FORM, lambda: build_context(TrustSetting()))
        async with Through(secure) as queue:
            queue.write(line(0))
            await eventually(lambda: queue.trouble == f"TLS failed: {NO_TLS}")
            queue.switch(TcpSink(("127.0.0.1", server.port), FORM))
            await eventually(lambda: numbers(server) == [0])


async def test_datagrams_have_one_message_each_and_what_none_holds_is_counted(caplog):
    async with SyslogServer().running_udp() as server:
        async with Through(UdpSink(("127.0.0.1", server.port), FORM)) as queue:
            queue.write(line(0))
            queue.write(line(1, x="x" * 70_000))
            queue.write(line(2))
        await eventually(lambda: len(server.messages) == 3)
    assert queue.dropped == 1
    assert sorted(json.loads(each.text).get("n", -1) for each in server.messages) == [-1, 0, 2]


async def test_a_name_that_does_not_resolve_is_a_server_that_is_away(caplog):
    queue = AuditQueue(UdpSink(("nowhere.invalid", 514), FORM), LOGGER, loss_line)
    queue.write(line(0))
    await eventually(lambda: "audit sink is away; events wait" in caplog.text)
    await asyncio.to_thread(queue.close, 0.05)
    assert queue.dropped == 1


async def test_a_line_that_no_datagram_holds_goes_without_its_content_and_says_so():
    content = {"data": {"request": "x" * 70_000}, "decision": {"action": "call_tool", "arguments": {"a": "y" * 70_000}}}
    async with SyslogServer().running_udp() as server:
        async with Through(UdpSink(("127.0.0.1", server.port), FORM)) as queue:
            for each in (line(0), line(1, **content), line(2, name="n" * 70_000), line(3)):
                queue.write(each)
        await eventually(lambda: 3 in numbers_told(server))
        assert queue.dropped == 1
    long = json.loads(next(message.text for message in server.messages if json.loads(message.text).get("n") == 1))
    assert long["contentDropped"] is True
    assert "data" not in long
    assert long["decision"] == {"action": "call_tool"}
    assert [each for each in numbers_told(server) if each is not None] == [0, 1, 3]


def numbers_told(server):
    return [json.loads(message.text).get("n") for message in server.messages]
