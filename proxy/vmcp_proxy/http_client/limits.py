"""The bounds of the HTTP client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds per client; times in seconds, sizes in bytes, counts per pool.

    A pool is one origin under one trust setting and network. ``max_header_bytes`` bounds each head, each
    trailer section and all interim (1xx) responses before a head.

    Idle connections are closed before servers close them, because a request that crosses with a close is lost:
    uvicorn and Node.js close after 5 s, the load balancers that TLS usually ends at after 60 s.

    However busy it is, a connection is given up between two requests once it is older than ``max_age``: the next one
    asks for the name's address and the server's certificate again.
    """

    connect_timeout: float = 5.0
    pool_timeout: float = 10.0
    keep_alive_expiry: float = 4.0
    tls_keep_alive_expiry: float = 50.0
    max_age: float = 300.0
    max_connections: int = 256
    max_idle: int = 64
    max_header_bytes: int = 64 << 10
