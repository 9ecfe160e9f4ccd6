"""TLS: whom it trusts, what it shows, and messages that help."""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from contextlib import asynccontextmanager

import pytest
import trustme

from tests.proxy.http_client.servers import OK, answering, fetch, raw_server
from vmcp_api.config import Network
from vmcp_proxy.http_client import HttpClient, Peer, TlsFailed, TrustSetting, Url

pytestmark = pytest.mark.scenario("B-7")
PAST = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(ca):
    return TrustSetting(ca_bundle=ca.cert_pem.bytes().decode())


def server_context(certificate, *, client_ca=None, version=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    if client_ca is not None:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
async def local():
    async def resolve(host, port):
        return ["127.0.0.1"]

    client = HttpClient(resolver=resolve)
    yield client
    await client.aclose()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_private_ca_is_trusted_and_one_context_serves_all(local, ca, trust, version):
    context = server_context(ca.issue_cert("good.example"), version=version)
    async with raw_server(answering(OK), context) as server:
        for _ in range(100):
            again = TrustSetting(ca_bundle=trust.ca_bundle)
            assert await fetch(local, server.peer(host="good.example", trust=again)) == (200, b"ok")
        assert server.connections == local.connections_opened == 1
        assert local.contexts_built == 1


async def test_the_name_of_an_authority_in_a_comment_need_not_be_ascii(local, ca, trust):
    noted = TrustSetting(ca_bundle=f"# Főtanúsítvány\n{trust.ca_bundle}")
    async with raw_server(answering(OK), server_context(ca.issue_cert("good.example"))) as server:
        assert await fetch(local, server.peer(host="good.example", trust=noted)) == (200, b"ok")


async def test_concurrent_first_requests_build_one_context(local, ca, trust):
    async with raw_server(answering(OK), server_context(ca.issue_cert("good.example"))) as server:
        peer = server.peer(host="good.example", trust=trust)
        await asyncio.gather(*(fetch(local, peer) for _ in range(5)))
        assert local.contexts_built == 1
        assert server.connections == 5


async def test_trust_settings_never_share_a_connection(local, ca, trust):
    async with raw_server(answering(OK), server_context(ca.issue_cert("good.example"))) as server:
        assert await fetch(local, server.peer(host="good.example", trust=trust)) == (200, b"ok")
        with pytest.raises(TlsFailed, match="unknown"):
            await fetch(local, server.peer(host="good.example"))
        assert local.contexts_built == 2


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["other.example"], {}, "another host name"),
        (["good.example"], {"not_after": PAST}, "expired"),
    ],
)
async def test_a_bad_certificate_is_refused_with_its_reason(local, ca, trust, names, options, message):
    async with raw_server(answering(OK), server_context(ca.issue_cert(*names, **options))) as server:
        with pytest.raises(TlsFailed, match=message) as caught:
            await fetch(local, server.peer(host="good.example", trust=trust))
        assert not caught.value.sent
        assert server.requests == []


async def test_an_unknown_ca_is_refused_with_the_remedy(local, trust):
    async with raw_server(answering(OK), server_context(trustme.CA().issue_cert("good.example"))) as server:
        with pytest.raises(TlsFailed, match="CA bundle"):
            await fetch(local, server.peer(host="good.example", trust=trust))
        assert server.requests == []


async def test_an_ip_address_needs_its_own_name_in_the_certificate(local, ca, trust):
    async with raw_server(answering(OK), server_context(ca.issue_cert("127.0.0.1"))) as server:
        assert await fetch(local, server.peer(trust=trust)) == (200, b"ok")
    async with raw_server(answering(OK), server_context(ca.issue_cert("good.example"))) as server:
        with pytest.raises(TlsFailed, match="IP address"):
            await fetch(local, server.peer(trust=trust))


async def test_the_name_is_checked_though_the_address_is_dialled(local, ca, trust):
    async with raw_server(answering(OK), server_context(ca.issue_cert("127.0.0.1"))) as server:
        with pytest.raises(TlsFailed, match="host name"):
            await fetch(local, server.peer(host="good.example", trust=trust))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown(local, ca, trust, version):
    shown = ca.issue_cert("client.example")
    mutual = TrustSetting(
        trust.ca_bundle,
        b"".join(blob.bytes() for blob in shown.cert_chain_pems).decode(),
        shown.private_key_pem.bytes().decode(),
    )
    context = server_context(ca.issue_cert("good.example"), client_ca=ca, version=version)
    async with raw_server(answering(OK), context) as server:
        assert await fetch(local, server.peer(host="good.example", trust=mutual)) == (200, b"ok")
        assert len(server.requests) == 1


@asynccontextmanager
async def handshaking_server(context):
    """Accept one connection and shake hands in a thread: unlike asyncio, it sends its alert."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve():
        connection, _ = listener.accept()
        connection.settimeout(10)
        with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as wrapped:
            with contextlib.suppress(ssl.SSLError):
                wrapped.do_handshake()
            # Closing with bytes unread would reset the connection, and the reset may overtake the alert.
            with contextlib.suppress(OSError):
                wrapped.shutdown(socket.SHUT_WR)
                while wrapped.recv(1 << 12):
                    pass

    serving = asyncio.create_task(asyncio.to_thread(serve))
    try:
        yield listener.getsockname()[1]
    finally:
        await serving
        listener.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_missing_client_certificate_is_named(local, ca, trust, version):
    context = server_context(ca.issue_cert("good.example"), client_ca=ca, version=version)
    async with handshaking_server(context) as port:
        peer = Peer(Url.parse(f"https://good.example:{port}/"), Network.LOCAL, trust)
        with pytest.raises(TlsFailed, match="client certificate") as caught:
            await fetch(local, peer)
        # In TLS 1.3 the client may send before it hears of the alert (RFC 8446 section 4.4.2.4).
        assert caught.value.sent == (version is ssl.TLSVersion.TLSv1_3)


async def test_old_tls_is_refused(local, ca, trust):
    context = server_context(ca.issue_cert("good.example"))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with handshaking_server(context) as port:
        peer = Peer(Url.parse(f"https://good.example:{port}/"), Network.LOCAL, trust)
        with pytest.raises(TlsFailed, match="version"):
            await fetch(local, peer)


async def test_a_peer_that_hangs_up_in_the_handshake_is_a_tls_failure(local, trust):
    async def hang_up(exchange):
        await exchange.reader.read(1)

    async with raw_server(hang_up) as server:
        peer = Peer(Url.parse(f"https://good.example:{server.port}/"), Network.LOCAL, trust)
        with pytest.raises(TlsFailed) as caught:
            await fetch(local, peer)
        assert not caught.value.sent


async def test_a_plain_port_is_named_as_such(local, trust):
    async def plain(exchange):
        await exchange.reader.read(10)
        await exchange.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(plain) as server:
        peer = Peer(Url.parse(f"https://good.example:{server.port}/"), Network.LOCAL, trust)
        with pytest.raises(TlsFailed, match="does not speak TLS on this port; name its TLS port"):
            await fetch(local, peer)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\nThe plain HTTP request was sent to HTTPS port",
        b"HTTP/1.1 400 Bad Request\r\n\r\nReason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
)
async def test_a_tls_port_that_is_spoken_to_in_plaintext_is_named_as_such(local, answer):
    async def tls(exchange):
        await exchange.reader.read(10)
        await exchange.send(answer)

    async with raw_server(tls) as server:
        peer = Peer(Url.parse(f"http://127.0.0.1:{server.port}/"), Network.LOCAL)
        with pytest.raises(TlsFailed, match="speaks TLS on this port; turn TLS on") as caught:
            await fetch(local, peer)
        # It has read no request.
        assert not caught.value.sent


async def test_a_plain_400_is_an_answer_whatever_it_says_later(local):
    async def refuse(exchange):
        await exchange.reader.read(10)
        await exchange.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n400")

    async with raw_server(refuse) as server:
        status, _ = await fetch(local, Peer(Url.parse(f"http://127.0.0.1:{server.port}/"), Network.LOCAL))
        assert status == 400


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (TrustSetting(ca_bundle="not pem"), "CA bundle"),
        (TrustSetting(ca_bundle=""), "CA bundle"),
        (TrustSetting(client_certificate="canary-6f1d", client_key="canary-6f1d"), "client certificate"),
    ],
)
async def test_unusable_pem_is_an_error_that_does_not_repeat_it(local, setting, message):
    with pytest.raises(TlsFailed, match=message) as caught:
        await fetch(local, Peer(Url.parse("https://good.example/"), Network.LOCAL, setting))
    assert "canary" not in str(caught.value)
    assert not caught.value.sent
