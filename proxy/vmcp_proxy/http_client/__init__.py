"""The HTTP/1.1 client for backend traffic (ADR-0013).

Keep-alive pools, TLS, a dial guard on the address that is really dialled, streamed bodies, and a bound on
every wait and every buffer. Built on httptools (llhttp) and asyncio transports.
"""

from vmcp_proxy.http_client.client import HttpClient
from vmcp_proxy.http_client.connect import Resolver
from vmcp_proxy.http_client.errors import (
    COMPRESSED,
    NAME_UNANSWERED,
    NAME_UNKNOWN,
    REFUSES,
    ConnectFailed,
    DialRefused,
    HttpError,
    PeerClosed,
    PoolClosed,
    ProtocolError,
    RedirectRefused,
    ResponseTooLarge,
    Timeout,
    TlsFailed,
)
from vmcp_proxy.http_client.head import HeaderBlock
from vmcp_proxy.http_client.limits import ClientLimits
from vmcp_proxy.http_client.lookups import Lookups, read_address
from vmcp_proxy.http_client.peer import Peer, TrustSetting
from vmcp_proxy.http_client.reader import ResponseHeaders
from vmcp_proxy.http_client.response import Response
from vmcp_proxy.http_client.url import InvalidUrl, Url

__all__ = [
    "COMPRESSED",
    "NAME_UNANSWERED",
    "NAME_UNKNOWN",
    "REFUSES",
    "ClientLimits",
    "ConnectFailed",
    "DialRefused",
    "HeaderBlock",
    "HttpClient",
    "HttpError",
    "InvalidUrl",
    "Lookups",
    "Peer",
    "PeerClosed",
    "PoolClosed",
    "ProtocolError",
    "RedirectRefused",
    "Resolver",
    "Response",
    "ResponseHeaders",
    "ResponseTooLarge",
    "Timeout",
    "TlsFailed",
    "TrustSetting",
    "Url",
    "read_address",
]
