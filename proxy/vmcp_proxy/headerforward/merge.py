"""The one function that decides which headers a backend gets."""

from collections.abc import Iterable
from dataclasses import dataclass

from vmcp_api.headers import canonical_name, is_restricted, is_token
from vmcp_proxy.headerforward.snapshot import HeaderSnapshot, is_sendable

OutgoingHeaders = tuple[tuple[bytes, bytes], ...]
"""Pairs ready for the wire, in canonical case, sorted by name."""

StaticHeaders = tuple[tuple[str, bytes], ...]
"""The headers of a backend's config and Secrets, as they are written there."""


@dataclass(frozen=True, slots=True)
class Collision:
    """The same name came from the client and from the backend's static headers; the call must fail."""

    header: str


def merge(
    passthrough: HeaderSnapshot,
    static: Iterable[tuple[str, bytes]] = (),
    authentication: Iterable[tuple[str, bytes]] = (),
) -> OutgoingHeaders | Collision:
    """The headers that one backend gets: both sources, canonical, restricted dropped (ADR-0016).

    `authentication` is what the outgoing strategy adds: it wins over both. Neither input is changed. A name in
    both `passthrough` and `static` yields a `Collision` that names it.
    """
    merged, wins = _sendable(static), _sendable(authentication)
    for name, value in passthrough.items():
        if is_restricted(name, passthrough=True) or not is_sendable(value):
            continue
        if name in merged and name not in wins:
            return Collision(name)
        merged[name] = value
    merged.update(wins)
    return tuple(sorted((name.encode(), value) for name, value in merged.items()))


def _sendable(headers: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Those that may be sent by configuration, by canonical name."""
    named = ((canonical_name(name), bytes(value)) for name, value in headers)
    return {name: value for name, value in named if is_token(name) and not is_restricted(name) and is_sendable(value)}
