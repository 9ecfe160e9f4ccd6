"""Names to addresses: the one place where DNS is asked."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol


class Resolver(Protocol):
    """Asks once and returns addresses as text, best first; OSError when the name is unknown."""

    async def __call__(self, host: str, port: int) -> Sequence[str]: ...


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Resolve as the operating system does; short forms such as ``127.1`` become real addresses."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
