"""Lines to a syslog server: messages of RFC 5424 by UDP (RFC 5426), counted by TCP (RFC 6587) or TLS (RFC 5425)."""

import contextlib
import errno
import fcntl
import os
import re
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from vmcp_proxy.observability.audit.event import Outcome, without_content
from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError
from vmcp_proxy.protocol.tls_trouble import HANGS_UP, WANTS_TLS, explain_tls_error, wants_tls

_ALERT_SECONDS: Final = 0.1
_CONNECT_SECONDS: Final = 5.0
_SEND_SECONDS: Final = 10.0
"""How long a server may take to acknowledge one chunk."""

_CHUNK: Final = 16 << 10
_VERSION: Final = 1
_INFORMATIONAL: Final = 6
_WARNING: Final = 4
_ERROR: Final = 3
_SEVERITY: Final = {
    Outcome.SUCCESS: _INFORMATIONAL,
    Outcome.DENIED: _WARNING,
    Outcome.FAILURE: _WARNING,
    Outcome.APPLICATION_ERROR: _ERROR,
    Outcome.ERROR: _ERROR,
}
"""Severities of RFC 5424 section 6.2.1."""

_LONGEST_HOST: Final = 255
_LONGEST_ID: Final = 32
_UNPRINTABLE: Final = re.compile(r"[^\x21-\x7e]")


class _Line(msgspec.Struct):
    time: datetime
    type: str = ""
    outcome: Outcome = Outcome.SUCCESS


_decode: Final = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class SyslogFormat:
    """What is the same in all messages; `facility` is the number of RFC 5424 section 6.2.1."""

    facility: int
    app_name: str
    host: str
    process: int

    @classmethod
    def of(cls, facility: int, app_name: str) -> "SyslogFormat":
        """That of this process."""
        host = _UNPRINTABLE.sub("", socket.gethostname())[:_LONGEST_HOST]
        return cls(facility, _UNPRINTABLE.sub("-", app_name), host or "-", os.getpid())

    def encode(self, line: bytes) -> bytes:
        """An audit line as a message: what it is about is the message itself, as in every sink.

        There is no structured data: names of elements need an enterprise number, and we have none.
        """
        found = _decode(line)
        priority = self.facility * 8 + _SEVERITY[found.outcome]
        moment = found.time.isoformat(timespec="microseconds").replace("+00:00", "Z")
        kind = _UNPRINTABLE.sub("", found.type)[:_LONGEST_ID] or "-"
        head = f"<{priority}>{_VERSION} {moment} {self.host} {self.app_name} {self.process} {kind} - "
        return head.encode() + line.rstrip(b"\n")


class UdpSink:
    """One datagram for each line; who gets them nobody can tell (RFC 5426 section 4)."""

    def __init__(self, address: tuple[str, int], form: SyslogFormat) -> None:
        self._address: Final = address
        self._form: Final = form
        self._socket: socket.socket | None = None

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`; a line that no datagram holds goes without its content, or is refused."""
        refused = 0
        for sent, line in enumerate(lines):
            try:
                refused += not self._fits(line)
            except OSError as error:
                self.close()
                raise SinkAwayError(error.strerror or type(error).__name__, sent=sent, refused=refused) from None
        return refused

    def _fits(self, line: bytes) -> bool:
        """Whether the line fits into a datagram, or what is left of it without its content; it is sent then."""
        if self._is_sent(line):
            return True
        shorter = without_content(line)
        return shorter is not None and self._is_sent(shorter)

    def _is_sent(self, line: bytes) -> bool:
        try:
            self._connected().send(self._form.encode(line))
        except OSError as error:
            if not _is_too_long(error):
                raise
            return False
        return True

    def close(self) -> None:
        """See `Sink`."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            # Connected, so that a port where nobody listens is told (ICMP).
            family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, kind, protocol)
            made.settimeout(_CONNECT_SECONDS)
            made.connect(address)
            self._socket = made
        return self._socket


def _is_too_long(error: OSError) -> bool:
    return error.errno == errno.EMSGSIZE


class TcpSink:
    """A connection on which each message has its length before it; with `make_context` by TLS.

    Syslog has no acknowledgements. What the server's kernel has acknowledged counts as sent; the rest is sent again on
    the next connection, and may come twice: events have unique ids.
    """

    def __init__(
        self, address: tuple[str, int], form: SyslogFormat, make_context: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        self._address: Final = address
        self._form: Final = form
        self._make_context: Final = make_context
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        sent = 0
        while sent < len(lines):
            frames = self._frames(lines, sent)
            try:
                if self._socket is not None and _is_closed(self._socket):
                    self.close()
                is_new = self._socket is None
                if self._socket is None:
                    self._socket = self._connect()
                self._send(frames)
                if is_new and self._make_context is None and _is_asked_for_tls(self._socket):
                    raise ConnectionError(WANTS_TLS)
            except (OSError, ValueError) as error:
                # By TLS nobody can tell which of them got there, and after a reset the kernel has forgotten.
                self.close()
                raise SinkAwayError(_reason(error, is_plain=self._make_context is None), sent=sent) from None
            sent += len(frames)
        return 0

    def close(self) -> None:
        """See `Sink`; what is on its way gets there."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _frames(self, lines: Sequence[bytes], start: int) -> list[bytes]:
        frames: list[bytes] = []
        size = 0
        for line in lines[start:]:
            message = self._form.encode(line)
            frames.append(b"%d %b" % (len(message), message))
            size += len(message)
            if size >= _CHUNK:
                break
        return frames

    def _connect(self) -> socket.socket:
        made = socket.create_connection(self._address, _CONNECT_SECONDS)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._make_context is None:
                return made
            if self._context is None:
                self._context = self._make_context()
            return self._context.wrap_socket(made, server_hostname=self._address[0])
        except BaseException:
            made.close()
            raise

    def _send(self, frames: Sequence[bytes]) -> None:
        connection = self._socket
        if connection is None:
            return
        connection.settimeout(_SEND_SECONDS)
        connection.sendall(b"".join(frames))
        until = time.monotonic() + _SEND_SECONDS
        pause = 0.0005
        while _unacknowledged(connection):
            if _is_closed(connection):
                raise ConnectionResetError("the server closed the connection")
            if time.monotonic() > until:
                raise TimeoutError("the server does not read")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)


def _reason(error: Exception, *, is_plain: bool) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {explain_tls_error(error)}"
    if is_plain and isinstance(error, ConnectionResetError):
        return HANGS_UP
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return type(error).__name__


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other side's kernel has not acknowledged; 0 where the system does not tell."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
    except OSError:
        return 0


def _is_asked_for_tls(connection: socket.socket) -> bool:
    """Whether the server is one of TLS, which reads nothing of plaintext and says so: looked at once a connection.

    Raises:
        ConnectionResetError: it resets the connection, as some do, though its kernel has acknowledged what was sent.
    """
    if not select.select((connection,), (), (), _ALERT_SECONDS)[0]:
        return False
    connection.settimeout(0)
    try:
        return wants_tls(connection.recv(4096, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def _is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed its side; what it says otherwise is thrown away: syslog has no answers."""
    connection.settimeout(0)
    try:
        while select.select((connection,), (), (), 0)[0] or isinstance(connection, ssl.SSLSocket):
            if not connection.recv(4096):
                return True
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    except OSError:
        return True
    return False
