"""Where a request comes from, as far as it can be believed."""

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from vmcp_proxy.serve.context import Scope

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; a single address counts as a network of its own.

    Raises:
        ValueError: a text is no network.
    """
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def source_address(
    peer: str | None, headers: Iterable[tuple[bytes, bytes]], trusted: tuple[Network, ...]
) -> str | None:
    """The address that a request comes from.

    `X-Forwarded-For` counts only as far as trusted proxies wrote it: the list is walked from its end until an
    address stands there that is none of them. `peer` is the other end of the connection.
    """
    if peer is None or not _is_trusted(peer, trusted):
        return peer
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    hops = [hop.strip() for value in values for hop in value.split(",")]
    source = peer
    for hop in reversed(hops):
        address = _parse_address(hop)
        if address is None:
            break
        source = str(address)
        if not any(address in network for network in trusted):
            break
    return source


def source_of(scope: Scope, trusted: tuple[Network, ...]) -> str | None:
    """The address that a request comes from; None where its connection has none."""
    client = scope.get("client")
    peer = client[0] if client else None
    return source_address(peer, scope["headers"], trusted) if trusted else peer


def _is_trusted(text: str, trusted: tuple[Network, ...]) -> bool:
    address = _parse_address(text)
    return address is not None and any(address in network for network in trusted)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    # Without its zone, which is any text.
    return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
