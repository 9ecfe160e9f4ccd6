"""What a collector is sent with, and how little it can do to who sends."""

import asyncio
import ssl

import pytest
import requests
import trustme
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tests.support.otlp import PROTOBUF, OtlpReceiver, answers
from tests.support.raw_server import HangUp
from tests.support.tcp import listening
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.otlp.session import MOST_BYTES
from vmcp_proxy.protocol.tls_trouble import HANGS_UP, NO_TLS, WANTS_TLS

SECRET = "canary-collector-6f2a"


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Nothing is tried again by the library: a second attempt would need time, and a first one has enough."""
    monkeypatch.setattr("opentelemetry.exporter.otlp.common.http._MAX_RETRIES", 1)


class Export:
    """One export by the SDK's exporter in a thread, as in production."""

    def __init__(self, url, headers=None, **settings):
        connection = OtlpConnection.to(url, headers or {}, **{"timeout": 30.0, **settings})
        self.session = connection.open()
        self.exporter = OTLPSpanExporter(
            endpoint=connection.url("traces"),
            session=self.session,
            timeout=connection.timeout,
            compression=Compression.NoCompression,
        )

    async def run(self):
        made = []
        provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(type("Keep", (), {"on_start": no, "_on_ending": no, "on_end": keep(made)})())
        provider.get_tracer("test").start_span("one").end()
        try:
            return await asyncio.to_thread(self.exporter.export, made)
        finally:
            self.exporter.shutdown()


def no(*_, **__):
    pass


def keep(made):
    return lambda _, span: made.append(span)


async def test_a_collector_gets_the_spans_and_the_headers_of_its_connection(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with OtlpReceiver().running() as collector:
        for base in (f"http://127.0.0.1:{collector.port}", f"http://127.0.0.1:{collector.port}/base/"):
            export = Export(base, {"Authorization": f"Bearer {SECRET}"}, insecure=True)
            assert await export.run() is SpanExportResult.SUCCESS
            assert export.session.problem == ""
        plain = Export(f"127.0.0.1:{collector.port}", insecure=True)
        assert await plain.run() is SpanExportResult.SUCCESS
    assert [each.name for each in collector.spans] == ["one"] * 3
    assert [each.target for each in collector.asked] == ["/v1/traces", "/base/v1/traces", "/v1/traces"]
    assert [each.headers.get("authorization") for each in collector.asked] == [f"Bearer {SECRET}".encode()] * 2 + [None]


async def test_tls_is_verified_by_the_ca_bundle():
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = f"# Prüfstelle\n{authority.cert_pem.bytes().decode()}"
    async with OtlpReceiver(context=context).running() as collector:
        assert await Export(collector.url, ca_bundle=bundle).run() is SpanExportResult.SUCCESS
        for other in (None, trustme.CA().cert_pem.bytes().decode()):
            export = Export(f"127.0.0.1:{collector.port}", ca_bundle=other)
            assert await export.run() is SpanExportResult.FAILURE
            assert export.session.problem.startswith("TLS failed")
    assert len(collector.spans) == 1


async def test_a_port_without_tls_and_one_that_wants_it_are_told_apart_from_a_bad_certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def alert(asked):
        await asked.write(b"\x15\x03\x01\x00\x02\x02\x46")
        raise HangUp

    async def reset(_):
        raise HangUp

    async def problem(collector, url, **settings):
        async with collector.running():
            export = Export(url.format(collector.port), **settings)
            assert await export.run() is SpanExportResult.FAILURE
        return export.session.problem

    refused = b"Client sent an HTTP request to an HTTPS server.\n"

    async def plain(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with listening(plain) as port:
        export = Export(f"https://127.0.0.1:{port}")
        assert await export.run() is SpanExportResult.FAILURE
        assert export.session.problem == f"TLS failed: {NO_TLS}"
    assert "CA is unknown" in await problem(OtlpReceiver(context=context), "https://127.0.0.1:{}")
    for act in (alert, answers(400, refused, kind="text/plain")):
        assert await problem(OtlpReceiver(act), "http://127.0.0.1:{}") == WANTS_TLS
    assert await problem(OtlpReceiver(reset), "http://127.0.0.1:{}") == HANGS_UP


@pytest.mark.parametrize(
    ("act", "problem", "result"),
    [
        (answers(500, SECRET.encode()), "it answers 500", "FAILURE"),
        (answers(503, retry_after="9"), "it answers 503", "FAILURE"),
        (answers(307, location="http://127.0.0.1:1/v1/traces"), "it redirects; write the URL", "FAILURE"),
        (answers(401, www_authenticate=SECRET), "it answers 401", "FAILURE"),
        (answers(200, b"\xff garbage", kind=PROTOBUF), "", "SUCCESS"),
        (answers(200, b"x" * (4 << 20), kind=PROTOBUF), "", "SUCCESS"),
        (answers(200, b"<html>", kind="text/html; charset=utf-8"), "its answer is not one of a collector", "FAILURE"),
        (answers(200, b"", kind="text/html"), "", "SUCCESS"),
        (answers(200, b"{}", kind="Application/JSON; charset=utf-8"), "", "SUCCESS"),
        (answers(200, b"", set_cookie="a=b; Path=/"), "", "SUCCESS"),
    ],
    ids=["broken", "busy", "elsewhere", "refuses", "garbage", "huge", "page", "empty", "JSON", "cookie"],
)
async def test_whatever_a_collector_answers_is_taken_within_bounds(act, problem, result, caplog):
    async with OtlpReceiver(act).running() as collector:
        export = Export(collector.url, {"X-Key": SECRET}, insecure=True)
        assert (await export.run()).name == result
    assert export.session.problem.startswith(problem)
    assert bool(export.session.problem) == bool(problem)
    assert len(export.session.answer) <= MOST_BYTES
    assert not list(export.session.cookies)
    assert len(collector.asked) == 1
    assert SECRET not in caplog.text + repr(export.session) + repr(OtlpConnection("x", {"a": SECRET}))


async def test_a_collector_that_never_comes_to_an_end_costs_the_time_of_one_export():
    async def trickle(asked):
        await asked.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await asked.write(b"x")
            await asyncio.sleep(0.05)

    async def silent(_):
        await asyncio.Event().wait()

    for act, problem in ((trickle, ""), (silent, "it does not answer in time")):
        async with OtlpReceiver(act).running() as collector:
            export = Export(collector.url, insecure=True, timeout=1.0)
            await export.run()
            assert export.session.problem == problem
    gone = Export(collector.url, insecure=True)
    assert await gone.run() is SpanExportResult.FAILURE
    assert gone.session.problem == "it refuses connections"
    nowhere = Export("http://no-such-host.invalid:4318", insecure=True)
    assert await nowhere.run() is SpanExportResult.FAILURE
    assert nowhere.session.problem == "its name cannot be resolved"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere_whatever_is_asked_of_the_session(status):
    async with OtlpReceiver().running() as other:
        for location in (f"{other.url}/v1/traces", "//[", "?", ""):
            async with OtlpReceiver(answers(status, location=location)).running() as collector:
                export = Export(collector.url, {"X-Key": SECRET}, insecure=True)
                assert await export.run() is SpanExportResult.FAILURE
                assert export.session.problem.startswith("it redirects; write the URL")
                session = OtlpConnection.to(collector.url, {"X-Key": SECRET}).open()
                how = {"headers": {"Content-Type": PROTOBUF}, "allow_redirects": True, "timeout": 5}
                with pytest.raises(requests.TooManyRedirects):
                    await asyncio.to_thread(session.post, f"{collector.url}/v1/logs", b"", **how)
                session.close()
    assert not other.asked
