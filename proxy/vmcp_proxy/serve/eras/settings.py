"""What the endpoints of both eras follow under a config."""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.pagination import ListEncoder

_KEEP_ALIVE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """How the endpoint names itself; `raw` is the same as JSON."""

    name: str
    version: str
    raw: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", msgspec.json.encode({"name": self.name, "version": self.version}))


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """One config's worth of them.

    `instructions` of None are those of the backends; an empty text is none. With `takes_request_headers` each
    request of a session has its own passthrough headers sent to backends, not those of the session. `legacy_pages` and
    `modern_pages` make the pages of lists. `keep_alive` is how long a stream may be silent, in seconds. `mirrored` is
    the backend whose introduction is ours too, as far as we have heard it: the only one of a bridge (ADR-0058).
    """

    info: ServerInfo = ServerInfo("vmcp", "")
    instructions: str | None = None
    takes_request_headers: bool = False
    legacy_pages: ListEncoder = field(default_factory=ListEncoder)
    modern_pages: ListEncoder = field(default_factory=ListEncoder)
    keep_alive: float = _KEEP_ALIVE_SECONDS
    mirrored: str | None = None


class LiveSettings:
    """The settings in force: `current` is replaced as a whole when the config is."""

    __slots__ = ("current",)

    def __init__(self, current: EndpointSettings) -> None:
        self.current = current
