"""What `vmcp serve` tells a person of, picked out of the status and the config."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.config import ProxyConfig, Transport
from vmcp_api.pod_status import BackendReport, ConflictReport, DroppedReport, PodStatus, UnmatchedReport

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
class Observed:
    """The state that is told of; `store` is what ails the session store, empty when nothing does.

    `store_address` is where it should be; `config_hash` is another one after an edit.
    """

    store: str
    backends: Mapping[str, BackendState]
    store_address: str = ""
    config_hash: str = ""
    clashes: tuple[ConflictReport, ...] = ()
    dropped: tuple[DroppedReport, ...] = ()
    unmatched: tuple[UnmatchedReport, ...] = ()


def observe(status: PodStatus, config: ProxyConfig) -> Observed:
    """What a status says, and where the config has store and backends."""
    lost = Counter(loser for each in status.conflicts for loser in each.losers)
    places = {backend.name: describe_place(backend) for backend in config.backends}
    return Observed(
        status.store.message if status.store.is_away else "",
        {each.name: _state(each, places.get(each.name, ()), lost[each.name]) for each in status.backends},
        config.session_storage.address or "",
        status.config_hash,
        status.conflicts,
        status.dropped_tools,
        status.unmatched,
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


def _state(backend: BackendReport, place: Place, lost: int) -> BackendState:
    served = {
        "tools": backend.tools,
        "resources": backend.resources,
        "templates": backend.templates,
        "prompts": backend.prompts,
    }
    counts = tuple((kind, count) for kind, count in served.items() if count)
    if lost:
        counts = (*(counts or (("tools", 0),)), ("lost_to_conflicts", lost))
    return BackendState(backend.status, backend.message, counts, place)
