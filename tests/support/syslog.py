"""A syslog server for tests: reads RFC 5424 messages by UDP, TCP (octet counting) or TLS, strictly."""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.support.tcp import listening

MESSAGE = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128})"
    rb" (?P<id>[!-~]{1,32}) - (?P<text>\{.*\})",
    re.DOTALL,
)
"""RFC 5424 section 6: header, no structured data, a text that is JSON."""


@dataclass(frozen=True)
class Message:
    """One message as it was read."""

    facility: int
    severity: int
    time: str
    host: str
    app: str
    process: int
    id: str
    text: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Message":
        found = MESSAGE.fullmatch(raw)
        assert found, raw
        priority = int(found["priority"])
        words = (found[name].decode() for name in ("time", "host", "app"))
        return cls(priority // 8, priority % 8, *words, int(found["process"]), found["id"].decode(), found["text"])


@dataclass
class SyslogServer:
    """`messages` has what came; with `hangs_up_after` a connection is closed after so many, the rest unread."""

    context: ssl.SSLContext | None = None
    hangs_up_after: int | None = None
    port: int = 0
    messages: list[Message] = field(default_factory=list)
    connections: int = 0
    peers: list[object] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def texts(self) -> bytes:
        """What came, one line for each message."""
        return b"".join(message.text + b"\n" for message in self.messages)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["SyslogServer"]:
        """Listens while the block runs; another time on the same port."""
        async with listening(self._serve, self.port, self.context) as self.port:
            yield self

    @contextlib.asynccontextmanager
    async def running_udp(self) -> AsyncIterator["SyslogServer"]:
        """Takes datagrams while the block runs."""
        server = self

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                server.messages.append(Message.parse(data))

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            Protocol, local_addr=("127.0.0.1", self.port), family=socket.AF_INET
        )
        self.port = transport.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            transport.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.peers.append(writer.get_extra_info("peercert"))
        left = self.hangs_up_after
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while left is None or left:
                    length = await reader.readuntil(b" ")
                    assert re.fullmatch(rb"[1-9][0-9]* ", length), length
                    self.messages.append(Message.parse(await reader.readexactly(int(length))))
                    left = None if left is None else left - 1
            finally:
                writer.close()
