"""Takes a changed config over while the proxy serves (ADR-0008)."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from vmcp_api.manifests.problems import Problem, Problems
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.proxy import Proxy

POLL_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 0.1
RETURN_SECONDS: Final = 2.0
"""How long a file that went missing, or was emptied, may take to come back before that counts as meant."""

Signature: TypeAlias = tuple[int, int, int, int] | None
"""Device, inode, size and time of change of a file; None where there is none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the files said at one moment, and what is wrong with them without stopping it."""

    loaded: Loaded
    warnings: Problems = field(default_factory=Problems)


class ConfigSource(Protocol):
    """Files that make a config; both methods only read, `load` may be called in a thread."""

    def paths(self) -> Iterable[Path]: ...

    def load(self) -> Reading | Problems: ...


class FileWatcher:
    """Tells when files change, by asking for their stat signatures.

    That survives atomic renames, the `..data` link of mounted volumes and network file systems alike. Create it
    before the first load, so that no edit falls between the two.
    """

    def __init__(self, paths: Callable[[], Iterable[Path]], *, interval: float = POLL_SECONDS) -> None:
        self._paths: Final = paths
        self._interval: Final = interval
        self._seen = self._look()

    async def changed(self) -> None:
        """Returns once the files differ from the last time and have come to rest."""
        while True:
            await asyncio.sleep(self._interval)
            if self._look() != self._seen:
                settled = await self._settled()
                if settled != self._seen:
                    self._seen = settled
                    return

    async def _settled(self) -> Mapping[Path, Signature]:
        """The signatures once two looks agree and nothing that was there is missing or emptied; its wait is bounded."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + RETURN_SECONDS
        last = self._look()
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            now = self._look()
            if (now == last and not has_lost(self._seen, now)) or loop.time() > give_up:
                return now
            last = now

    def _look(self) -> Mapping[Path, Signature]:
        return {path: read_signature(path) for path in self._paths()}


def has_lost(before: Mapping[Path, Signature], now: Mapping[Path, Signature]) -> bool:
    """Whether a file that held something is gone or empty now, as between the two halves of an editor's save."""
    return any(_holds_something(before[path]) and not _holds_something(now.get(path)) for path in before)


def _holds_something(signature: Signature) -> bool:
    return signature is not None and signature[2] > 0


def read_signature(path: Path) -> Signature:
    """The signature of what a path leads to, links followed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Reloader:
    """Loads again whenever the files change; what cannot be used is refused and the last good config stays."""

    def __init__(self, source: ConfigSource, watcher: FileWatcher, logger: logging.Logger) -> None:
        self._source: Final = source
        self._watcher: Final = watcher
        self._logger: Final = logger
        self._said = Problems()

    def warn(self, warnings: Problems) -> None:
        """Logs the warnings that the last reading did not have."""
        known = set(self._said)
        for problem in warnings:
            if problem not in known:
                log_event(self._logger, logging.WARNING, "config warning", problem=str(problem))
        self._said = warnings

    async def run(self, proxy: Proxy) -> None:
        """Supervises the files of a running proxy until it is cancelled."""
        while True:
            await self._watcher.changed()
            # Parsing big manifests takes longer than a request may wait.
            outcome = await asyncio.to_thread(self._source.load)
            if isinstance(outcome, Problems):
                proxy.refuse(outcome)
            else:
                self.warn(outcome.warnings)
                self._take_over(proxy, outcome.loaded)

    def _take_over(self, proxy: Proxy, loaded: Loaded) -> None:
        before = proxy.state.loaded
        if is_same(before, loaded) and not proxy.state.load_problems:
            return
        if needs_restart(before, loaded):
            log_event(self._logger, logging.WARNING, "restart to use the new session storage, the rest is in force now")
        try:
            proxy.apply(loaded)
        except OSError as error:
            proxy.refuse(Problems.of(describe_os_error(error)))


def is_same(before: Loaded, after: Loaded) -> bool:
    """Whether two readings serve alike: the same config, the same secrets, the same session keys."""
    return before.digest == after.digest and before.secrets == after.secrets and _has_same_keys(before, after)


def _has_same_keys(before: Loaded, after: Loaded) -> bool:
    if before.keyring is None or after.keyring is None:
        return before.keyring is after.keyring
    return before.keyring.is_same(after.keyring)


def needs_restart(before: Loaded, after: Loaded) -> bool:
    """Whether something changed that holds from the start of a process to its end."""
    return before.config.session_storage != after.config.session_storage


def describe_os_error(error: OSError) -> Problem:
    """A file that cannot be used, by name and cause."""
    name = "" if error.filename is None else str(error.filename)
    return Problem(f"cannot be used: {error.strerror}", "correct the path or its permissions", file=name or None)
