"""Tells a person, line by line, what comes up and what goes down while the proxy serves."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vmcp_proxy.app import Proxy
from vmcp_proxy.cli.addresses import endpoint_url
from vmcp_proxy.core.health import Health
from vmcp_proxy.observability.logs import log_event

LOOK_SECONDS: Final = 0.2
COUNTED: Final = ("tools", "resources", "templates", "prompts")


@dataclass(frozen=True, slots=True)
class BackendState:
    """One backend as `/status` shows it; `counts` are of what it offers."""

    status: str
    message: str = ""
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """The state that is told of; `store` is what ails the session store, empty when nothing does."""

    store: str
    backends: Mapping[str, BackendState]


NOTHING: Final = Observed("", {})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    level: int
    event: str
    fields: tuple[tuple[str, object], ...] = ()


def observe(status: Mapping[str, Any]) -> Observed:
    """What a `/status` document says of the store and of the backends."""
    store = status["store"]
    ails = "" if store["state"] == "ok" else str(store["message"])
    return Observed(ails, {each["name"]: _state(each) for each in status["backends"]})


def _state(backend: Mapping[str, Any]) -> BackendState:
    counts = tuple((kind, backend[kind]) for kind in COUNTED if backend.get(kind))
    return BackendState(backend["status"], backend["message"], counts)


def changes(before: Observed, after: Observed) -> Iterator[Line]:
    """The lines between two states."""
    if before.store != after.store:
        yield _store_line(after.store)
    for name, state in after.backends.items():
        if state != before.backends.get(name) and state.status != Health.UNKNOWN:
            yield _backend_line(name, state)
    for name in before.backends:
        if name not in after.backends:
            yield Line(logging.INFO, "backend is removed", (("name", name),))


def _store_line(ails: str) -> Line:
    if not ails:
        return Line(logging.INFO, "session store is back")
    fields = (("message", ails), ("effect", "new sessions get 503 until it is back"))
    return Line(logging.WARNING, "session store is away", fields)


def _backend_line(name: str, state: BackendState) -> Line:
    if state.status == Health.HEALTHY:
        said = (("message", state.message),) if state.message else ()
        return Line(logging.INFO, "backend is up", (("name", name), *(state.counts or (("tools", 0),)), *said))
    event = "backend is withheld" if state.status == "withheld" else f"backend is {state.status}"
    return Line(logging.WARNING, event, (("name", name), ("message", state.message)))


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
        told, fingerprint = NOTHING, None
        while True:
            present = _fingerprint(proxy)
            if present != fingerprint:
                fingerprint = present
                seen = observe(proxy.wiring.status.status())
                for line in changes(told, seen):
                    log_event(self._logger, line.level, line.event, **dict(line.fields))
                told = seen
            await asyncio.sleep(LOOK_SECONDS)


def _fingerprint(proxy: Proxy) -> tuple[object, ...]:
    """What has to be another before the status can be: the status itself is dear where lists are long."""
    wiring = proxy.wiring
    members = tuple((member, member.health.state, member.health.message) for member in wiring.group.members.values())
    return (wiring.views.shared(), members, proxy.state.withheld, wiring.store.state)
