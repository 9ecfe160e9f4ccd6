"""Tells a person, line by line, what comes up and what goes down while the proxy serves."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from vmcp_api.config import Backend as BackendConfig
from vmcp_api.config import ProxyConfig, Transport
from vmcp_proxy.app import Proxy
from vmcp_proxy.cli.addresses import endpoint_url
from vmcp_proxy.core.health import Health
from vmcp_proxy.observability.logs import log_event

LOOK_SECONDS: Final = 0.2
SILENT_SECONDS: Final = 5.0
"""How long a backend may take to come up before a person is told what is being waited for."""
COUNTED: Final = ("tools", "resources", "templates", "prompts")


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend as `/status` shows it; `counts` are of what it offers, `place` is as in `describe_place`."""

    status: str
    message: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    place: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """The state that is told of; `store` is what ails the session store, empty when nothing does.

    `store_address` is where it should be. `unmatched` are the settings that fit nothing: backend, setting and entry.
    """

    store: str
    backends: Mapping[str, BackendState]
    store_address: str = ""
    unmatched: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    level: int
    event: str
    fields: tuple[tuple[str, object], ...] = ()


def observe(status: Mapping[str, Any], config: ProxyConfig) -> Observed:
    """What a `/status` document says of the store and of the backends, and where the config has them."""
    store = status["store"]
    ails = "" if store["state"] == "ok" else str(store["message"])
    places = {backend.name: describe_place(backend) for backend in config.backends}
    backends = {each["name"]: _state(each, places.get(each["name"], ())) for each in status["backends"]}
    unmatched = tuple((each["backend"], each["setting"], each["name"]) for each in status["unmatched"])
    return Observed(ails, backends, config.session_storage.address or "", unmatched)


def describe_place(backend: BackendConfig) -> tuple[tuple[str, str], ...]:
    """Where to look for a backend and what to do there.

    Of a URL only the origin, of a command only the program: paths, queries and arguments may hold credentials.
    """
    if backend.transport is Transport.STDIO:
        remedy = "run its command in a shell to see what it says"
        return (("program", next(iter(backend.command), "")), ("remedy", remedy))
    parts = urlsplit(backend.url or "")
    return (("address", f"{parts.scheme}://{parts.netloc}"), ("remedy", "see that it runs there and speaks MCP"))


def _state(backend: Mapping[str, Any], place: tuple[tuple[str, str], ...]) -> BackendState:
    counts = tuple((kind, backend[kind]) for kind in COUNTED if backend.get(kind))
    return BackendState(backend["status"], backend["message"], counts, place)


def changes(before: Observed | None, after: Observed) -> Iterator[Line]:
    """The lines between two states; `None` is before the first."""
    if (before.store if before else "") != after.store:
        yield _store_line(after)
    known = before.backends if before else MappingProxyType({})
    for name, state in after.backends.items():
        if state != known.get(name) and state.status != Health.UNKNOWN:
            yield _backend_line(name, state)
    for name in known:
        if name not in after.backends:
            yield Line(logging.INFO, "backend is removed", (("name", name),))
    for unmatched in after.unmatched:
        if before is None or unmatched not in before.unmatched:
            yield _unmatched_line(*unmatched)
    if not after.backends and (known or before is None):
        yield Line(logging.WARNING, "there is no backend", (("remedy", "add a server to the file, in the same group"),))


def _store_line(seen: Observed) -> Line:
    if not seen.store:
        return Line(logging.INFO, "session store is back")
    effect = "new sessions get 503 until it is back"
    return Line(
        logging.WARNING,
        "session store is away",
        (("message", seen.store), ("address", seen.store_address), ("effect", effect)),
    )


def _unmatched_line(backend: str, setting: str, entry: str) -> Line:
    is_unknown = setting == "workload"
    remedy = "name a member of the group" if is_unknown else "correct the name, or remove the entry"
    fields = (("backend", backend), ("setting", setting), ("entry", entry), ("remedy", remedy))
    return Line(logging.WARNING, "a setting matches nothing", fields)


def _backend_line(name: str, state: BackendState) -> Line:
    if state.status == Health.HEALTHY:
        said = (("message", state.message),) if state.message else ()
        return Line(logging.INFO, "backend is up", (("name", name), *(state.counts or (("tools", 0),)), *said))
    event = "backend is withheld" if state.status == "withheld" else f"backend is {state.status}"
    # A message with a semicolon brings its own remedy, by the convention of all messages.
    place = tuple((key, value) for key, value in state.place if key != "remedy" or ";" not in state.message)
    return Line(logging.WARNING, event, (("name", name), ("message", state.message), *place))


def silent_line(name: str, place: tuple[tuple[str, str], ...]) -> Line:
    """The line for a backend that has said nothing for `SILENT_SECONDS`."""
    said = f"no answer to initialize within {SILENT_SECONDS:g} s, still waiting"
    return Line(logging.WARNING, "backend is silent", (("name", name), ("message", said), *place))


class Patience:
    """Names each backend once that has been silent for `seconds`, without a clock of its own."""

    def __init__(self, seconds: float) -> None:
        self._seconds: Final = seconds
        self._since: dict[str, float] = {}
        self._told: frozenset[str] = frozenset()

    def overdue(self, silent: frozenset[str], now: float) -> tuple[str, ...]:
        """The names among `silent` whose time is up at `now` and that were not named since they fell silent."""
        self._since = {name: self._since.get(name, now) for name in sorted(silent)}
        self._told &= silent
        late = tuple(name for name, since in self._since.items() if now - since >= self._seconds)
        new = tuple(name for name in late if name not in self._told)
        self._told |= frozenset(new)
        return new


class Reporter:
    """Logs the endpoint once it listens, then every change of a backend or of the session store."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger: Final = logger

    async def run(self, proxy: Proxy) -> None:
        """Looks at a proxy until it is cancelled."""
        await proxy.started.wait()
        url = endpoint_url(proxy.settings.host, proxy.mcp_port)
        status = f"http://127.0.0.1:{proxy.admin_port}/status"
        log_event(self._logger, logging.INFO, "endpoint is ready", url=url, status=status)
        told: Observed | None = None
        fingerprint: tuple[object, ...] | None = None
        patience = Patience(SILENT_SECONDS)
        while True:
            present = _fingerprint(proxy)
            if present != fingerprint:
                fingerprint = present
                seen = observe(proxy.wiring.status.status(), proxy.state.loaded.config)
                self._log(changes(told, seen))
                told = seen
            backends = told.backends if told else {}
            silent = frozenset(name for name, state in backends.items() if state.status == Health.UNKNOWN)
            overdue = patience.overdue(silent, asyncio.get_running_loop().time())
            self._log(silent_line(name, backends[name].place) for name in overdue)
            await asyncio.sleep(LOOK_SECONDS)

    def _log(self, lines: Iterable[Line]) -> None:
        for line in lines:
            log_event(self._logger, line.level, line.event, **dict(line.fields))


def _fingerprint(proxy: Proxy) -> tuple[object, ...]:
    """What has to be another before the status can be: the status itself is dear where lists are long."""
    wiring = proxy.wiring
    members = tuple((member, member.health.state, member.health.message) for member in wiring.group.members.values())
    return (wiring.views.shared(), members, proxy.state.withheld, wiring.store.state)
