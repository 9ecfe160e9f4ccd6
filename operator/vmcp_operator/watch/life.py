"""One life of kopf in a thread and a loop of its own: with the session, the only user of kopf (ADR-0002)."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import kopf

from vmcp_operator.cluster.kube import OnRequest
from vmcp_operator.logs import describe, log_event
from vmcp_operator.plan.kinds import ALL, OWNED, STDIO_OWNED, Kind
from vmcp_operator.plan.objects.naming import MANAGED
from vmcp_operator.reconcile.dependents import Change
from vmcp_operator.watch.answers import Answers
from vmcp_operator.watch.events import read_change
from vmcp_operator.watch.scope import Scope
from vmcp_operator.watch.session import Login

IDENTITY: Final[Any] = "vmcp-operator"  # kopf's type for it is private
ERROR_BACKOFFS: Final = (0.5, 1, 2, 3, 5, 5, 5, 5)
"""Short, so that the first moments after an outage are not slept through.

When they are used up, kopf ends and is started again with a fresh list.
"""
CHUNK: Final = 500
IDLE_SECONDS: Final = 0.1
CANCELS: Final = 40
CANCEL_SECONDS: Final = 0.25

logger = logging.getLogger(__name__)


class Life:
    """kopf from its start until it ends by itself or by `stop`; `ended` is called in its thread."""

    def __init__(
        self,
        scope: Scope,
        kinds: Iterable[Kind],
        paths: Mapping[str, Kind],
        answers: Answers,
        sink: Callable[[Change], None],
        on_request: OnRequest,
    ) -> None:
        self._scope: Final = scope
        self._login: Final = Login(answers, paths, on_request)
        self._loop: Final = asyncio.new_event_loop()
        self._over: Final = asyncio.Event()
        self._registry: Final = build_registry(kinds, sink, self._login.log_in, self._over.set)
        self._thread: threading.Thread | None = None

    def start(self, ended: Callable[[], None]) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, args=(ended,), name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Lets kopf end soon; harmless where it has."""
        call_in(self._loop, self._over.set)

    def join(self, seconds: float) -> bool:
        """Waits for the thread; False where it goes on."""
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self, ended: Callable[[], None]) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._work(ended))
        except Exception as error:  # noqa: BLE001 - whatever ended it, it is told and started again
            log_event(logger, logging.ERROR, "watch failed", error=describe(error))
        finally:
            ended()

    async def _work(self, ended: Callable[[], None]) -> None:
        """Runs kopf, and ends it by cancelling every task that it made.

        kopf's own way to end waits without a bound: for a flag of threads, in the loop's executor, and for watches that
        it cancelled once while they swallowed that and asked for credentials.
        """
        kopf_ends = asyncio.create_task(self._operator())
        is_over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({kopf_ends, is_over}, return_when=asyncio.FIRST_COMPLETED)
            if kopf_ends.done():
                kopf_ends.result()
        finally:
            ended()
            # kopf's callbacks raise when they are called outside of its tasks.
            self._loop.set_exception_handler(lambda _loop, _context: None)
            await _cancel_others()
            await self._login.close()

    async def _operator(self) -> None:
        await kopf.operator(
            registry=self._registry,
            settings=build_settings(),
            # Otherwise kopf asks for the name of this user, which has none in a container.
            identity=IDENTITY,
            standalone=True,
            clusterwide=self._scope.is_cluster,
            namespaces=list(self._scope.namespaces),
        )


def build_registry(
    kinds: Iterable[Kind], sink: Callable[[Change], None], log_in: Callable[..., Any], ends: Callable[[], None]
) -> kopf.OperatorRegistry:
    """Handlers of these kinds that hand changes over and return nothing, so that kopf never writes to a user's object.

    `ends` is called when kopf is about to end.
    """
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(log_in)

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: Any) -> None:
        ends()

    async def on_event(event: Mapping[str, Any], resource: kopf.Resource, **_: Any) -> None:
        kind = _KINDS[resource.group, resource.version, resource.plural]
        sink(read_change(kind, event["object"], is_listed=event["type"] is None))

    for kind in kinds:
        kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, registry=registry)(on_event)
    return registry


class _NoEssence(kopf.DiffBaseStorage):
    """Compares no object with what it was: that is for handlers of changes, of which there are none.

    kopf's own copies each object whole, twice for each of its events.
    """

    def build(
        self,
        *,
        body: kopf.Body,  # noqa: ARG002 - the signature is the base's
        extra_fields: object = None,  # noqa: ARG002
    ) -> kopf.BodyEssence:
        """Nothing."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> None:
        """Nothing was kept."""

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is kept."""


def build_settings() -> kopf.OperatorSettings:
    """Settings under which kopf only reads; what we own is filtered by the API server."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoEssence()
    # Otherwise kopf lists and watches every CRD of the cluster with its content, and holds them all at the start.
    settings.scanning.disabled = True
    # Otherwise kopf kills the whole process when it ends unasked.
    settings.process.ultimate_exiting_timeout = None
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = ERROR_BACKOFFS
    settings.watching.connect_timeout = 10.0
    # Whole seconds: the API server refuses a fraction, though the type allows one.
    settings.watching.server_timeout = 270
    settings.watching.chunk_size = CHUNK
    # Until then kopf keeps a task and the last event of each object: with a list, of all objects at once.
    settings.queueing.idle_timeout = IDLE_SECONDS
    for kind in (*OWNED, *STDIO_OWNED):
        settings.watching.label_selectors[_selector(kind)] = MANAGED
    return settings


async def _cancel_others() -> None:
    """Cancels every other task of this loop, again and again, until none is left or time is up."""
    for _ in range(CANCELS):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=CANCEL_SECONDS)


def call_in(loop: asyncio.AbstractEventLoop, what: Callable[..., None], *values: object) -> None:
    """Calls something in another thread's loop, which may be gone already."""
    try:
        loop.call_soon_threadsafe(what, *values)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _selector(kind: Kind) -> tuple[str, str, str]:
    return (kind.group, kind.version, kind.plural)


_KINDS: Final = {_selector(kind): kind for kind in ALL}
