"""What `vmcp serve` tells a person of, picked out of the status and the config."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.config import ProxyConfig, Transport

COUNTED: Final = ("tools", "resources", "templates", "prompts")

_STORE_IS_FINE: Final = ("ok", "unknown")
"""Unknown is a store that nobody has asked yet."""

Place: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend as `/status` shows it; `place` is as in `describe_place`.

    `counts` are of what is served of it, and of the names that others won or nobody got.
    """

    status: str
    message: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    place: Place = ()


@dataclass(frozen=True, slots=True)
class Clash:
    """A name that is claimed more than once; without a `winner` nobody serves it."""

    kind: str
    name: str
    winner: str | None
    losers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DroppedEntry:
    """An entry of a backend's list that is not served."""

    backend: str
    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class UnmatchedSetting:
    """A setting that fits nothing."""

    backend: str
    setting: str
    entry: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The state that is told of; `store` is what ails the session store, empty when nothing does.

    `store_address` is where it should be; `config_hash` is another one after an edit.
    """

    store: str
    backends: Mapping[str, BackendState]
    store_address: str = ""
    config_hash: str = ""
    clashes: tuple[Clash, ...] = ()
    dropped: tuple[DroppedEntry, ...] = ()
    unmatched: tuple[UnmatchedSetting, ...] = ()


def observe(status: Mapping[str, Any], config: ProxyConfig) -> Observed:
    """What a `/status` document says, and where the config has store and backends."""
    store = status["store"]
    lost = Counter(loser for each in status["conflicts"] for loser in each["losers"])
    places = {backend.name: describe_place(backend) for backend in config.backends}
    return Observed(
        "" if store["state"] in _STORE_IS_FINE else str(store["message"]),
        {each["name"]: _state(each, places.get(each["name"], ()), lost[each["name"]]) for each in status["backends"]},
        config.session_storage.address or "",
        status["configHash"],
        tuple(
            Clash(str(each["kind"]), each["name"], each["winner"], tuple(each["losers"]))
            for each in status["conflicts"]
        ),
        tuple(
            DroppedEntry(each["backend"], str(each["kind"]), each["name"], each["reason"])
            for each in status["droppedTools"]
        ),
        tuple(UnmatchedSetting(each["backend"], each["setting"], each["name"]) for each in status["unmatched"]),
    )


def describe_place(backend: BackendConfig) -> Place:
    """Where to look for a backend and what to do there.

    Of a URL only the origin, of a command only the program: paths, queries and arguments may hold credentials.
    """
    if backend.transport is Transport.STDIO:
        remedy = "start with --log-level debug to see all that it says, or run its command in a shell"
        return (("program", next(iter(backend.command), "")), ("remedy", remedy))
    parts = urlsplit(backend.url or "")
    return (("address", f"{parts.scheme}://{parts.netloc}"), ("remedy", "see that it runs there and speaks MCP"))


def _state(backend: Mapping[str, Any], place: Place, lost: int) -> BackendState:
    counts = tuple((kind, backend[kind]) for kind in COUNTED if backend.get(kind))
    if lost:
        counts = (*(counts or (("tools", 0),)), ("lost_to_conflicts", lost))
    return BackendState(backend["status"], backend["message"], counts, place)
