"""What the parts of the session era follow under a config."""

from dataclasses import dataclass, field
from typing import Final

from vmcp_proxy.core.catalog.pagination import ListEncoder
from vmcp_proxy.serve.legacy.fitting import fit_entry

_KEEP_ALIVE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """How the endpoint names itself."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class LegacySettings:
    """One config's worth of them.

    `instructions` of None are those of the backends; an empty text is none. With `takes_request_headers` each
    request's own passthrough headers go to backends, not those of the session. `encoder` makes the pages of lists.
    `keep_alive` is how long a stream may be silent, in seconds. `mirrored` is the backend whose answer to `initialize`
    is ours too, as far as we have heard it: the only one of a bridge (ADR-0058).
    """

    info: ServerInfo = ServerInfo("vmcp", "")
    instructions: str | None = None
    takes_request_headers: bool = False
    encoder: ListEncoder = field(default_factory=lambda: ListEncoder(fit=fit_entry))
    keep_alive: float = _KEEP_ALIVE_SECONDS
    mirrored: str | None = None


class LiveSettings:
    """The settings in force: `current` is replaced as a whole when the config is."""

    __slots__ = ("current",)

    def __init__(self, current: LegacySettings) -> None:
        self.current = current
