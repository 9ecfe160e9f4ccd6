"""Which addresses may be dialled, and that exactly those are."""

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.proxy.http_client.servers import OK, answering, fetch, raw_server, until
from vmcp_api.config import Network
from vmcp_proxy.http_client import ConnectFailed, DialRefused, HttpClient, Peer, Url
from vmcp_proxy.http_client.dial import Category, Refusal, choose, classify

pytestmark = pytest.mark.scenario("B-6")

PUBLIC, PRIVATE, CLUSTER, LOCAL = Network.PUBLIC, Network.PRIVATE, Network.CLUSTER, Network.LOCAL
EVERY = {PUBLIC, PRIVATE, CLUSTER, LOCAL}
NOT_PUBLIC = EVERY - {PUBLIC}

TABLE = {
    "1.1.1.1": EVERY, "8.8.8.8": EVERY, "172.15.0.1": EVERY, "172.32.0.1": EVERY, "100.63.0.1": EVERY,
    "100.128.0.1": EVERY, "2606:4700::1111": EVERY, "2a00:1450::1": EVERY,
    "10.0.0.1": NOT_PUBLIC, "172.16.0.1": NOT_PUBLIC, "172.31.255.255": NOT_PUBLIC,
    "192.168.1.1": NOT_PUBLIC, "100.64.0.1": NOT_PUBLIC, "100.127.255.255": NOT_PUBLIC,
    "fc00::1": NOT_PUBLIC, "fd12::1": NOT_PUBLIC,
    "127.0.0.1": {LOCAL}, "127.255.255.254": {LOCAL}, "::1": {LOCAL},
    "0.0.0.0": set(), "0.1.2.3": set(), "::": set(),
    "169.254.0.1": set(), "169.254.170.2": set(), "fe80::1": set(), "fe80::1%1": set(), "febf::1": set(),
    "169.254.169.254": set(), "168.63.129.16": set(), "100.100.100.200": set(), "192.0.0.192": set(),
    "fd00:ec2::254": set(), "fd20:ce::254": set(),
    "224.0.0.1": set(), "239.255.255.255": set(), "255.255.255.255": set(), "ff02::1": set(),
    "240.0.0.1": set(), "192.0.2.1": set(), "198.51.100.1": set(), "203.0.113.1": set(), "198.18.0.1": set(),
    "192.88.99.1": set(), "2001:db8::1": set(), "3fff::1": set(), "100::1": set(), "fec0::1": set(),
    "2001:2::1": set(), "64:ff9b:1::1": set(), "5f00::1": set(), "4000::1": set(), "::ffff:0:7f00:1": set(),
}  # fmt: skip
WRAPPED = {
    "1.1.1.1": EVERY,
    "10.0.0.1": NOT_PUBLIC,
    "127.0.0.1": {LOCAL},
    "169.254.169.254": set(),
    "168.63.129.16": set(),
    "100.100.100.200": set(),
    "0.0.0.0": set(),
    "224.0.0.1": set(),
}


def wrap(text):
    """All the IPv6 forms that lead to an IPv4 address."""
    value = int(ipaddress.IPv4Address(text))
    server = int(ipaddress.IPv4Address("65.54.227.120"))
    numbers = {
        "mapped": 0xFFFF << 32 | value,
        "compatible": value,
        "nat64": 0x64FF9B << 96 | value,
        "6to4": 0x2002 << 112 | value << 80 | 1,
        "teredo client": 0x20010000 << 96 | server << 64 | value ^ 0xFFFFFFFF,
        "teredo server": 0x20010000 << 96 | value << 64 | server ^ 0xFFFFFFFF,
    }
    if text == "0.0.0.0":
        del numbers["compatible"]  # that is ::
    return {form: str(ipaddress.IPv6Address(number)) for form, number in numbers.items()}


@pytest.mark.parametrize("network", sorted(EVERY))
@pytest.mark.parametrize(("address", "networks"), TABLE.items())
def test_each_network_dials_its_addresses_and_no_other(address, networks, network):
    assert (choose([address], network) == (address,)) == (network in networks)


@pytest.mark.parametrize("network", sorted(EVERY))
@pytest.mark.parametrize(("address", "networks"), WRAPPED.items())
def test_an_ipv4_address_inside_an_ipv6_one_counts_as_itself(address, networks, network):
    for form, wrapped in wrap(address).items():
        assert (choose([wrapped], network) == (wrapped,)) == (network in networks), form


@given(st.ip_addresses())
@example(ipaddress.ip_address("192.0.0.9"))
def test_what_public_dials_the_standard_library_calls_global_too(address):
    if classify(address) is Category.GLOBAL and not (address.version == 6 and address.sixtofour):
        assert address.is_global or address in ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize("network", sorted(EVERY))
def test_the_api_server_is_never_dialled_in_any_form(network):
    denied = frozenset({ipaddress.ip_address("10.96.0.1"), ipaddress.ip_address("fd00::1")})
    for address in ("10.96.0.1", "fd00::1", *wrap("10.96.0.1").values()):
        assert choose([address], network, denied) == Refusal(Category.DENIED, "point the backend at another host")


def test_allowed_addresses_stay_and_refused_ones_go():
    assert choose(["127.0.0.1", "8.8.8.8", "10.0.0.1", "1.1.1.1"], PUBLIC) == ("8.8.8.8", "1.1.1.1")


def test_a_refusal_tells_category_and_remedy():
    refusal = choose(["10.0.0.1"], PUBLIC)
    assert refusal.category is Category.PRIVATE
    assert "allowPrivateEndpoint: true" in refusal.remedy


class FakeResolver:
    """Answers from a list, one entry per question, the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host, port):
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_a_refusal_names_category_network_and_remedy_but_no_host_or_address():
    client = HttpClient(resolver=FakeResolver(["10.1.2.3"]))
    with pytest.raises(DialRefused) as caught:
        await fetch(client, Peer(Url.parse("http://internal.example/"), PUBLIC))
    text = str(caught.value)
    assert "a private address" in text
    assert "`public`" in text
    assert "allowPrivateEndpoint" in text
    assert "10.1.2.3" not in text
    assert "internal" not in text
    assert not caught.value.sent
    await client.aclose()


async def test_dns_that_changes_after_the_check_is_not_asked_again():
    resolver = FakeResolver(["127.0.0.1"], ["169.254.169.254"])
    client = HttpClient(resolver=resolver)
    async with raw_server(answering(OK)) as server:
        peer = server.peer(host="rebind.example")
        assert await fetch(client, peer) == (200, b"ok")
        assert await fetch(client, peer) == (200, b"ok")
        assert resolver.asked == 1
        assert server.requests[0].startswith(b"POST /mcp HTTP/1.1\r\nHost: rebind.example:")
    await client.aclose()


async def test_each_dial_checks_again_and_a_rebound_name_is_refused():
    client = HttpClient(resolver=FakeResolver(["127.0.0.1"], ["169.254.169.254"]))
    async with raw_server(answering(OK, close=True)) as server:
        peer = server.peer(host="rebind.example")
        assert await fetch(client, peer) == (200, b"ok")
        await until(lambda: "0 busy, 0 idle" in repr(client._pools))
        with pytest.raises(DialRefused, match="metadata"):
            await fetch(client, peer)
        assert client.connections_opened == server.connections == 1
    await client.aclose()


def test_only_checked_addresses_are_dialled_and_no_name_is_resolved_twice(monkeypatch):
    # On asyncio's own loop, because the methods of uvloop's cannot be watched.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        dialled = runner.run(_dial_watched(monkeypatch))
    assert dialled == ["127.0.0.1"]


async def _dial_watched(monkeypatch):
    loop = asyncio.get_running_loop()
    dialled = []
    connect = loop.sock_connect

    async def watched(sock, address):
        dialled.append(address[0])
        await connect(sock, address)

    async def forbidden(*args, **kwargs):
        raise AssertionError("resolved a second time")

    monkeypatch.setattr(loop, "sock_connect", watched)
    monkeypatch.setattr(loop, "getaddrinfo", forbidden)
    client = HttpClient(resolver=FakeResolver(["169.254.169.254", "::ffff:169.254.169.254", "127.0.0.1"]))
    async with raw_server(answering(OK)) as server:
        assert await fetch(client, server.peer(host="many.example")) == (200, b"ok")
    await client.aclose()
    return dialled


async def test_the_next_allowed_address_is_tried_when_one_does_not_answer():
    client = HttpClient(resolver=FakeResolver(["127.0.0.2", "::1", "127.0.0.1"]))
    async with raw_server(answering(OK)) as server:
        assert await fetch(client, server.peer(host="many.example")) == (200, b"ok")
    await client.aclose()


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
async def test_short_forms_of_loopback_are_refused_as_what_they_resolve_to(host):
    client = HttpClient()
    with pytest.raises((DialRefused, ConnectFailed)) as caught:
        await fetch(client, Peer(Url.parse(f"http://{host}:1/"), PRIVATE))
    if isinstance(caught.value, DialRefused):
        assert caught.value.category == Category.LOOPBACK
    await client.aclose()


async def test_a_name_without_address_says_so():
    async def unknown(host, port):
        raise socket.gaierror

    for resolver in (unknown, FakeResolver([])):
        client = HttpClient(resolver=resolver)
        with pytest.raises(ConnectFailed, match="host name") as caught:
            await fetch(client, Peer(Url.parse("http://nowhere.example/"), PUBLIC))
        assert "nowhere" not in str(caught.value)
        await client.aclose()


async def test_networks_never_share_a_connection():
    client = HttpClient(resolver=FakeResolver(["127.0.0.1"]))
    async with raw_server(answering(OK)) as server:
        assert await fetch(client, server.peer(host="a.example", network=LOCAL)) == (200, b"ok")
        with pytest.raises(DialRefused, match="loopback"):
            await fetch(client, server.peer(host="a.example", network=PRIVATE))
    await client.aclose()
