"""Pure rules about request headers: which hosts, origins and media types are fine."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vmcp_proxy.serve.context import EVENT_STREAM, JSON

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class HostRule:
    """Which `Host` values a request may carry (DNS rebinding is what this stops).

    `names` are lower-case, an entry with a port matches with that port only. With `loopback`, names of this
    machine are fine with any port. Nothing listed and no `loopback`: everything is fine.
    """

    names: frozenset[str] = frozenset()
    loopback: bool = False

    @classmethod
    def of(cls, names: Iterable[str], *, loopback: bool) -> "HostRule":
        """The rule of configured names in any case."""
        return cls(frozenset(name.lower() for name in names), loopback)

    def allows(self, host: bytes | None) -> bool:
        """Whether a request with this `Host` is meant for us; an absent one is not, where there is a rule."""
        if not self.names and not self.loopback:
            return True
        text = (host or b"").decode("latin-1").lower()
        name = host_name(text)
        if name is None:
            return False
        return name in self.names or text in self.names or (self.loopback and is_loopback(name))


@dataclass(frozen=True, slots=True)
class OriginRule:
    """Which `Origin` values browsers may send; requests without one come from no browser and are fine."""

    origins: frozenset[str] = frozenset()
    loopback: bool = False

    @classmethod
    def of(cls, origins: Iterable[str], *, loopback: bool) -> "OriginRule":
        """The rule of configured origins (`https://app.example.com`) in any case, with or without a slash."""
        return cls(frozenset(origin.lower().rstrip("/") for origin in origins), loopback)

    def allows(self, origin: bytes) -> bool:
        """Whether a page from this origin may call; `null` may only if it is listed."""
        text = origin.decode("latin-1").lower()
        if text in self.origins:
            return True
        scheme, separator, rest = text.partition("://")
        if not self.loopback or not separator or scheme not in ("http", "https"):
            return False
        name = host_name(rest)
        return name is not None and is_loopback(name)


def host_name(authority: str) -> str | None:
    """The name of `name`, `name:port`, `[v6]` or `[v6]:port`, without brackets; `None` for anything else."""
    if authority.startswith("["):
        name, bracket, rest = authority[1:].partition("]")
        port = rest.removeprefix(":") if rest else ""
        valid = bool(bracket) and (not rest or rest.startswith(":"))
    else:
        name, _, port = authority.partition(":")
        valid = "/" not in name and "@" not in name
    if not valid or not name or (port and not (port.isascii() and port.isdigit())):
        return None
    return name


def is_loopback(name: str) -> bool:
    """Whether a host name or address literal stands for this machine."""
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def accepts(accept: bytes | None, media_type: bytes) -> bool:
    """Whether an `Accept` value admits a media type (RFC 9110 section 12.5.1); an absent one admits all."""
    if accept is None:
        return True
    return _admits(accept, media_type, wildcard=True)


def wants_stream(accept: bytes | None) -> bool:
    """Whether an `Accept` value asks for server-sent events by name: `*/*` of a browser or curl does not."""
    return accept is not None and _admits(accept, EVENT_STREAM, wildcard=False)


def is_json(content_type: bytes | None) -> bool:
    """Whether a `Content-Type` says JSON; parameters do not matter."""
    if content_type is None:
        return False
    return content_type == JSON or content_type.split(b";", 1)[0].strip().lower() == JSON


def _admits(accept: bytes, media_type: bytes, *, wildcard: bool) -> bool:
    kind = media_type.split(b"/", 1)[0] + b"/*"
    ranges = {media_type: 3, kind: 2} | ({b"*/*": 1} if wildcard else {})
    best, verdict = 0, False
    for part in accept.lower().split(b","):
        name, *parameters = (piece.strip() for piece in part.split(b";"))
        rank = ranges.get(name, 0)
        if rank > best:
            best, verdict = rank, not any(_is_zero(parameter) for parameter in parameters)
    return verdict


def _is_zero(parameter: bytes) -> bool:
    return parameter.startswith(b"q=0") and not parameter[3:].strip(b".0")
