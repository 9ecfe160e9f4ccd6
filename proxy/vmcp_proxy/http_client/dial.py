"""The dial guard: which resolved addresses may be connected to.

The tables are our own and not ``ipaddress.is_global``, whose answers change between Python releases. They
follow the IANA special-purpose address registries (RFC 6890), narrowed to what a backend may live on.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

from vmcp_api.config import Network

Address: TypeAlias = IPv4Address | IPv6Address


class Category(StrEnum):
    """What kind of address a name resolved to; the value reads well in a sentence."""

    GLOBAL = "a public address"
    PRIVATE = "a private address"
    LOOPBACK = "a loopback address"
    LINK_LOCAL = "a link-local address"
    METADATA = "a cloud metadata address"
    UNSPECIFIED = "an unspecified address"
    MULTICAST = "a multicast or broadcast address"
    RESERVED = "a reserved address"
    DENIED = "the address of the Kubernetes API server"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no address may be dialled, and what the user can do."""

    category: Category
    remedy: str


_ALLOWED: Final = {
    Network.PUBLIC: frozenset({Category.GLOBAL}),
    Network.PRIVATE: frozenset({Category.GLOBAL, Category.PRIVATE}),
    Network.CLUSTER: frozenset({Category.GLOBAL, Category.PRIVATE}),
    Network.LOCAL: frozenset({Category.GLOBAL, Category.PRIVATE, Category.LOOPBACK}),
}

_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google, OpenStack and others
            "168.63.129.16",  # Azure's wire server, outside every special range
            "100.100.100.200",  # Alibaba, inside 100.64/10
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS, inside fc00::/7
            "fd20:ce::254",  # Google, inside fc00::/7
        ),
    )
)

_V4: Final = tuple(
    (IPv4Network(network), category)
    for network, category in (
        ("0.0.0.0/8", Category.UNSPECIFIED),
        ("10.0.0.0/8", Category.PRIVATE),
        ("100.64.0.0/10", Category.PRIVATE),
        ("127.0.0.0/8", Category.LOOPBACK),
        ("169.254.0.0/16", Category.LINK_LOCAL),
        ("172.16.0.0/12", Category.PRIVATE),
        ("192.0.0.0/24", Category.RESERVED),
        ("192.0.2.0/24", Category.RESERVED),
        ("192.88.99.0/24", Category.RESERVED),
        ("192.168.0.0/16", Category.PRIVATE),
        ("198.18.0.0/15", Category.RESERVED),
        ("198.51.100.0/24", Category.RESERVED),
        ("203.0.113.0/24", Category.RESERVED),
        ("224.0.0.0/4", Category.MULTICAST),
        ("255.255.255.255/32", Category.MULTICAST),
        ("240.0.0.0/4", Category.RESERVED),
    )
)

_V6: Final = tuple(
    (IPv6Network(network), category)
    for network, category in (
        ("::/128", Category.UNSPECIFIED),
        ("::1/128", Category.LOOPBACK),
        ("2001::/23", Category.RESERVED),
        ("2001:db8::/32", Category.RESERVED),
        ("3fff::/20", Category.RESERVED),
        ("2000::/3", Category.GLOBAL),
        ("fc00::/7", Category.PRIVATE),
        ("fe80::/10", Category.LINK_LOCAL),
        ("ff00::/8", Category.MULTICAST),
    )
)
"""First match wins; what matches nothing is reserved (only 2000::/3 is handed out, RFC 4291)."""

_TEREDO: Final = IPv6Network("2001::/32")
_LOW_32: Final = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96")))
"""IPv4 in the last 32 bits: compatible, mapped (RFC 4291 section 2.5.5), NAT64 (RFC 6052)."""
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")


def classify(address: Address, denied: frozenset[Address] = frozenset()) -> Category:
    """Tell the category of an address; an IPv4 address inside an IPv6 one counts as itself.

    With two inside (Teredo, RFC 4380), the first that is not global decides.
    """
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        address = IPv6Address(int(address))
    if address in denied:
        return Category.DENIED
    if address in _METADATA:
        return Category.METADATA
    if isinstance(address, IPv4Address):
        return next((category for network, category in _V4 if address in network), Category.GLOBAL)
    inner = _embedded(address)
    if not inner:
        return next((category for network, category in _V6 if address in network), Category.RESERVED)
    categories = [classify(part, denied) for part in inner]
    return next((category for category in categories if category is not Category.GLOBAL), Category.GLOBAL)


def choose(
    addresses: Iterable[str], network: Network, denied: frozenset[Address] = frozenset()
) -> tuple[str, ...] | Refusal:
    """Keep the addresses that ``network`` may dial, in order; Refusal when none is left.

    ``addresses`` must not be empty.
    """
    allowed = _ALLOWED[network]
    kept: list[str] = []
    refused: list[Category] = []
    for text in addresses:
        category = classify(ipaddress.ip_address(text), denied)
        if category in allowed:
            kept.append(text)
        else:
            refused.append(category)
    return tuple(kept) or Refusal(refused[0], _remedy(refused[0]))


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    value = int(address)
    if address in _TEREDO:
        return (_v4(value >> 64), _v4(~value))
    if address in _SIX_TO_FOUR:
        return (_v4(value >> 80),)
    if value > 1 and any(address in network for network in _LOW_32):
        return (_v4(value),)
    return ()


def _v4(bits: int) -> IPv4Address:
    return IPv4Address(bits & 0xFFFF_FFFF)


def _remedy(category: Category) -> str:
    if category is Category.PRIVATE:
        return "set allowPrivateEndpoint: true if the backend may live there"
    if category is Category.LOOPBACK:
        return "only local mode reaches this machine"
    return "point the backend at another host"
