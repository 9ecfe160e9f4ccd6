"""Tells a person, line by line, what comes up and what goes down while the proxy serves."""

import asyncio
import dataclasses
import logging
from collections.abc import Iterable
from typing import Final

from vmcp_api.pod_status import ConflictReport, Health
from vmcp_proxy.cli.serve.addresses import endpoint_url
from vmcp_proxy.cli.serve.lines import SILENT_SECONDS, Line, changes, silent_line
from vmcp_proxy.cli.serve.observed import Observed, observe
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.run.proxy import Proxy

LOOK_SECONDS: Final = 0.2
MOST_CLASHES: Final = 10_000
"""Names that are remembered as told; a backend may come back with others each time."""


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


class ToldClashes:
    """Keeps the names that were told to be claimed twice until the config changes.

    They are none while a backend is away, and are no news when it comes back.
    """

    def __init__(self) -> None:
        self._config_hash = ""
        self._told: dict[ConflictReport, None] = {}

    def told(self, seen: Observed) -> tuple[ConflictReport, ...]:
        """Those of before and those of now."""
        if seen.config_hash != self._config_hash:
            self._config_hash = seen.config_hash
            self._told = {}
        self._told |= dict.fromkeys(seen.clashes)
        while len(self._told) > MOST_CLASHES:
            del self._told[next(iter(self._told))]
        return tuple(self._told)


class Reporter:
    """Logs the endpoint once it listens, then every change of a backend, of its names or of the session store."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger: Final = logger
        self._clashes: Final = ToldClashes()

    async def run(self, proxy: Proxy) -> None:
        """Looks at a proxy until it is cancelled."""
        await proxy.started.wait()
        log_event(self._logger, logging.INFO, "endpoint is ready", **_places(proxy))
        told: Observed | None = None
        fingerprint: tuple[object, ...] | None = None
        patience = Patience(SILENT_SECONDS)
        while True:
            present = _fingerprint(proxy)
            if present != fingerprint:
                fingerprint = present
                seen = observe(proxy.status(), proxy.state.loaded.config)
                clashes = self._clashes.told(seen)
                self._log(changes(told, dataclasses.replace(seen, clashes=clashes)))
                told = dataclasses.replace(seen, clashes=clashes)
            backends = told.backends if told else {}
            silent = frozenset(name for name, state in backends.items() if state.status == Health.UNKNOWN)
            overdue = patience.overdue(silent, asyncio.get_running_loop().time())
            self._log(silent_line(name, backends[name].place) for name in overdue)
            await asyncio.sleep(LOOK_SECONDS)

    def _log(self, lines: Iterable[Line]) -> None:
        for line in lines:
            log_event(self._logger, line.level, line.event, **dict(line.fields))


def _places(proxy: Proxy) -> dict[str, str]:
    """Where the endpoint and its status are."""
    settings = proxy.settings
    served = (
        {"url": endpoint_url(settings.host, proxy.mcp_port)} if settings.pipes is None else {"on": "stdin and stdout"}
    )
    if settings.admin_port is not None:
        served["status"] = f"http://127.0.0.1:{proxy.admin_port}/status"
    return served


def _fingerprint(proxy: Proxy) -> tuple[object, ...]:
    """What has to be another before the status can be: the status itself is dear where lists are long."""
    members = tuple((member, member.health.state, member.health.message) for member in proxy.members.values())
    return (proxy.catalog(), members, proxy.state.withheld, proxy.store_state)
