"""Keeps the cluster watched, and knows whether it is (ADR-0002)."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from vmcp_operator.errors import INSTALL_KINDS, ClusterError, OperatorError
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import OWN, Kind
from vmcp_operator.reconcile.dependents import Change
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch.answers import NOT_ASKED, Answers, watched_paths
from vmcp_operator.watch.life import Life, call_in
from vmcp_operator.watch.optional import Missing, OptionalKinds, Peek
from vmcp_operator.watch.scope import Scope

STOP_SECONDS: Final = 30.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 10.0
SERVED_PAUSE: Final = 5.0
"""Between two questions whether the API server knows our kinds."""

OPTIONAL_PAUSE: Final = 30.0
"""Between two questions which kinds of other operators may be watched."""

UNANSWERED_SECONDS: Final = 120.0
"""After which a life is ended whose watches are not all answered: it may have missed a kind that came later."""

logger = logging.getLogger(__name__)


class Watch:
    """Runs kopf again and again until cancelled; `sink` is called in the loop of `run`.

    `missing` says which kinds the API server does not know, `peek` raises where one cannot be
    listed. kopf takes its loop for itself (it cancels what it finds there, and ends when one watch is answered with
    403), so that it gets one and is started again when it ends.
    """

    def __init__(
        self, scope: Scope, sink: Callable[[Change], None], telemetry: Telemetry, missing: Missing, peek: Peek
    ) -> None:
        self._scope: Final = scope
        self._sink: Final = sink
        self._telemetry: Final = telemetry
        self._missing: Final = missing
        self._peek: Final = peek
        self._problems: dict[str, str] = {}
        self.problems: tuple[str, ...] = ("the cluster is not watched yet",)
        """Why what happens in the cluster may go unnoticed; empty while every watch is answered."""

    async def run(self) -> None:
        """Watches until cancelled.

        Raises:
            OperatorError: a life of kopf cannot be ended; only a new process helps.
        """
        loop = asyncio.get_running_loop()
        kinds = OptionalKinds(self._scope, self._missing, self._peek, self._telemetry, loop.time)
        pause = FIRST_PAUSE
        while True:
            await self._wait_for_kinds()
            began = loop.time()
            optional = await kinds.find(())
            if await self._live(loop, kinds, optional):
                log_event(logger, logging.INFO, "other kinds are served than before, watch starts again")
                continue
            kinds.bar(optional, self._problems)
            if loop.time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            self._telemetry.watch_restarts.inc()
            log_event(logger, logging.ERROR, "watch ended, starts again", seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _wait_for_kinds(self) -> None:
        """Returns once the API server knows our kinds: kopf looks for them once, when it starts."""
        while True:
            try:
                missing = await self._missing(OWN)
            except ClusterError as error:
                problem = str(error)
            else:
                if not missing:
                    return
                names = ", ".join(map(str, missing))
                problem = f"the API server does not know {names}: {INSTALL_KINDS}"
            self._note(("the cluster is not watched: " + problem,))
            log_event(logger, logging.ERROR, "kinds not served", error=problem, again_in=SERVED_PAUSE)
            await asyncio.sleep(SERVED_PAUSE)

    async def _live(self, loop: asyncio.AbstractEventLoop, known: OptionalKinds, optional: tuple[Kind, ...]) -> bool:
        """One life of kopf: until it ends, is of no use, or, which the answer tells, other kinds are to be watched."""
        kinds = (*self._scope.kinds, *optional)
        ended = loop.create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        timer = loop.call_later(UNANSWERED_SECONDS, end)

        def look(problems: dict[str, str]) -> None:
            nonlocal timer
            self._tell_refusals(problems)
            timer.cancel()
            if problems and not ended.done():
                timer = loop.call_later(UNANSWERED_SECONDS, end)

        paths = watched_paths(self._scope, kinds)
        answers = Answers(paths, lambda: call_in(loop, look, answers.problems))
        sink = partial(call_in, loop, self._sink)
        life = Life(self._scope, kinds, paths, answers, sink, self._telemetry.on_request)
        life.start(lambda: call_in(loop, end))
        others = loop.create_task(_until_others(known, optional))
        try:
            await asyncio.wait({ended, others}, return_when=asyncio.FIRST_COMPLETED)
            is_outdated = others.done() and not ended.done()
        finally:
            others.cancel()
            timer.cancel()
            self._note(("the cluster is not watched",))
            life.stop()
            is_over = await asyncio.to_thread(life.join, STOP_SECONDS)
        if not is_over:
            raise OperatorError("the thread of a watch does not end")
        return is_outdated

    def _tell_refusals(self, problems: dict[str, str]) -> None:
        for path, problem in problems.items():
            if problem not in (NOT_ASKED, self._problems.get(path)):
                log_event(logger, logging.WARNING, "not watched", path=path, problem=problem)
        self._problems = problems
        self._note(tuple(f"{path} is not watched: {problem}" for path, problem in sorted(problems.items())))

    def _note(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        self._telemetry.watch_up.set(not problems)


async def _until_others(known: OptionalKinds, watched: tuple[Kind, ...]) -> None:
    """Returns once other optional kinds may be watched than those that are."""
    while True:
        await asyncio.sleep(OPTIONAL_PAUSE)
        if await known.find(watched) != watched:
            return
