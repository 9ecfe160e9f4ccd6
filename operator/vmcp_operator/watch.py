"""Turns what happens in the cluster into changes: the only user of kopf (ADR-0002)."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import kopf

from vmcp_operator.interest import Change
from vmcp_operator.logs import describe, log_event
from vmcp_operator.plan.kinds import CONFIG_MAP, OWN, OWNED, Kind, Ref
from vmcp_operator.plan.naming import MANAGED, owner_key
from vmcp_operator.telemetry import Telemetry

IDENTITY: Final[Any] = "vmcp-operator"  # kopf's type for it is private
STOP_SECONDS: Final = 10.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that are watched; none means all of them."""

    namespaces: tuple[str, ...] = ()

    @property
    def is_cluster(self) -> bool:
        """Whether every namespace is watched."""
        return not self.namespaces


class Watch:
    """Runs kopf in a thread and a loop of its own, again and again until cancelled.

    `sink` is called in the loop of `run`. kopf takes its loop for itself (it cancels what it finds there, and ends
    when one watch is answered with 403), so that it gets one and is started again with backoff when it ends.
    """

    def __init__(self, scope: Scope, sink: Callable[[Change], None], telemetry: Telemetry) -> None:
        self._scope: Final = scope
        self._sink: Final = sink
        self._telemetry: Final = telemetry
        self.is_ready = False

    async def run(self) -> None:
        """Watches until cancelled."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            began = loop.time()
            await self._watch_once(loop)
            if loop.time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._telemetry.watch_restarts.inc()
            log_event(logger, logging.ERROR, "watch ended, starts again", seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _watch_once(self, loop: asyncio.AbstractEventLoop) -> None:
        ended = loop.create_future()
        stop = threading.Event()

        def note_ready() -> None:
            self.is_ready = not ended.done()
            self._telemetry.watch_up.set(self.is_ready)

        def note_end() -> None:
            self.is_ready = False
            self._telemetry.watch_up.set(0)
            if not ended.done():
                ended.set_result(None)

        registry = build_registry(
            lambda change: _tell(loop, self._sink, change), lambda: _tell(loop, lambda _: note_ready(), None)
        )
        thread = threading.Thread(
            target=_run_kopf,
            args=(registry, self._scope, stop, lambda: _tell(loop, lambda _: note_end(), None)),
            name="watch",
            daemon=True,
        )
        thread.start()
        try:
            await asyncio.shield(ended)
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, STOP_SECONDS)
            self.is_ready = False


def build_registry(sink: Callable[[Change], None], ready: Callable[[], None]) -> kopf.OperatorRegistry:
    """Handlers that hand changes over and return nothing, so that kopf never writes to a user's object."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)

    @kopf.on.startup(registry=registry)
    async def on_startup(**_: Any) -> None:
        ready()

    async def on_event(event: Mapping[str, Any], **_: Any) -> None:
        change = read_change(event["object"], is_listed=event["type"] is None)
        if change is not None:
            sink(change)

    for kind in (*OWN, *OWNED, CONFIG_MAP):
        kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, registry=registry)(on_event)
    return registry


def build_settings(scope: Scope) -> kopf.OperatorSettings:
    """Settings under which kopf only reads; what we own is filtered by the API server."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # Only in a namespace: in a cluster, CRDs may come later and go again.
    settings.scanning.disabled = not scope.is_cluster
    # Otherwise kopf kills the whole process when it ends unasked.
    settings.process.ultimate_exiting_timeout = None
    settings.networking.request_timeout = 30.0
    settings.watching.connect_timeout = 10.0
    # Short, so that the first moments after an outage are not slept through; when they are used up, kopf ends
    # and is started again with a fresh list.
    settings.networking.error_backoffs = (0.5, 1, 2, 3, 5, 5, 5, 5)
    # Whole seconds: the API server refuses a fraction, though the type allows one.
    settings.watching.server_timeout = 270
    for kind in OWNED:
        settings.watching.label_selectors[_selector(kind)] = MANAGED
    return settings


def read_change(manifest: Mapping[str, Any], *, is_listed: bool = False) -> Change | None:
    """What an event says: which object, whose child it is, which group it names. None for a kind unknown.

    What was listed has no version, so that it is never taken for an echo: much may have happened before the list.
    """
    kind = _KINDS.get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    if kind is None:
        return None
    metadata = manifest["metadata"]
    namespace = metadata["namespace"]
    owner = None if kind in OWN else owner_key(namespace, metadata.get("labels") or {})
    group = ((manifest.get("spec") or {}).get("groupRef") or {}).get("name") if kind in OWN else None
    version = "" if is_listed else str(metadata.get("resourceVersion", ""))
    return Change(Ref(kind, namespace, metadata["name"]), owner, group, version)


def _login(**options: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**options) or kopf.login_with_kubeconfig(**options)


def _run_kopf(registry: kopf.OperatorRegistry, scope: Scope, stop: threading.Event, ended: Callable[[], None]) -> None:
    """The thread: one life of kopf."""
    try:
        asyncio.run(
            kopf.operator(
                registry=registry,
                settings=build_settings(scope),
                # Otherwise kopf asks for the name of this user, which has none in a container.
                identity=IDENTITY,
                standalone=True,
                clusterwide=scope.is_cluster,
                namespaces=list(scope.namespaces),
                stop_flag=stop,
            )
        )
    except Exception as error:  # noqa: BLE001 - whatever ended it, it is told and started again
        log_event(logger, logging.ERROR, "watch failed", error=describe(error))
    finally:
        ended()


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[Any], None], value: object) -> None:
    """Calls something in the operator's loop, which may be gone already at the end of the process."""
    try:
        loop.call_soon_threadsafe(what, value)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _selector(kind: Kind) -> tuple[str, str, str]:
    return (kind.group, kind.version, kind.plural)


_KINDS: Final = {(kind.api_version, kind.name): kind for kind in (*OWN, *OWNED, CONFIG_MAP)}
