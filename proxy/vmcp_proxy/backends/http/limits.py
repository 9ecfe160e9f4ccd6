"""The bounds of the HTTP client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds per client; times in seconds, sizes in bytes, counts per pool.

    A pool is one origin under one trust setting and network. ``max_header_bytes`` bounds each head, each
    trailer section and all interim (1xx) responses before a head.
    """

    connect_timeout: float = 5.0
    pool_timeout: float = 10.0
    keep_alive_expiry: float = 60.0
    max_connections: int = 256
    max_idle: int = 64
    max_header_bytes: int = 64 << 10
