"""Backend URLs: parsed once, joined for redirects (RFC 3986)."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import SplitResult, quote, urljoin, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_REG_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")
"""urlsplit() drops line breaks and tabs silently, and readers disagree about backslashes."""
_KEPT: Final = "%/:@!$&'()*+,;=?~-._"
"""What may stand in a path or query as it is; the rest is percent-encoded."""


class InvalidUrl(ValueError):  # noqa: N818 - as in errors.py
    """Text that is no usable backend URL; the message tells the rule, never the text."""


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """An absolute http or https URL; ``host`` is lower-case ASCII, IPv6 without brackets.

    ``target`` is path and query as they go on the request line (RFC 9112 section 3.2.1).
    ``request_line_end`` is derived: all of a request between its method and its first own field.
    """

    scheme: str
    host: str
    port: int
    target: bytes
    request_line_end: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        line = b" %b HTTP/1.1\r\nHost: %b\r\n" % (self.target, self.authority)
        object.__setattr__(self, "request_line_end", line)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an absolute URL; InvalidUrl for other schemes, user information or a fragment."""
        if _UNSAFE.search(text):
            raise InvalidUrl("a URL may not hold spaces, control characters or backslashes")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise InvalidUrl("the URL's host or port is malformed") from None
        if parts.scheme not in _DEFAULT_PORTS:
            raise InvalidUrl("the URL must begin with http:// or https://")
        if "@" in parts.netloc:
            raise InvalidUrl("the URL may not hold a user name or password; send a header instead")
        if "#" in text:
            raise InvalidUrl("the URL may not hold a fragment")
        if port == 0:
            raise InvalidUrl("the URL's port must be 1 to 65535")
        return cls(parts.scheme, _read_host(parts), port or _DEFAULT_PORTS[parts.scheme], _read_target(parts))

    def join(self, location: str) -> "Url":
        """Resolve a Location against this URL, its fragment dropped; InvalidUrl as for ``parse``."""
        if _UNSAFE.search(location):
            raise InvalidUrl("a Location may not hold spaces, control characters or backslashes")
        try:
            joined = urljoin(self.text, location.partition("#")[0])
        except ValueError:
            raise InvalidUrl("the Location's host or port is malformed") from None
        return Url.parse(joined)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: the boundary for redirects and connection reuse (RFC 6454)."""
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> bytes:
        """The value of the Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port != _DEFAULT_PORTS[self.scheme]:
            host = f"{host}:{self.port}"
        return host.encode("ascii")

    @property
    def text(self) -> str:
        """The whole URL, its query included: not for logs, queries often hold API keys."""
        return f"{self.scheme}://{self.authority.decode()}{self.target.decode()}"

    def __repr__(self) -> str:
        path, _, query = self.text.partition("?")
        return f"Url({path}{'?...' if query else ''})"


def _read_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        if parts.netloc.startswith("[") and "%" not in host:
            return ipaddress.IPv6Address(host).compressed
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError:  # UnicodeError too
        name = ""
    if not _REG_NAME.fullmatch(name):
        raise InvalidUrl("the URL's host must be a DNS name, an IPv4 address or a bracketed IPv6 address")
    return name


def _read_target(parts: SplitResult) -> bytes:
    path = quote(parts.path or "/", safe=_KEPT)
    query = f"?{quote(parts.query, safe=_KEPT)}" if parts.query else ""
    return (path + query).encode("ascii")
