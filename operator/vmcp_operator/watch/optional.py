"""Which kinds of other operators may be watched now: what is amiss with them keeps no other kind from being watched."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final, TypeAlias

from vmcp_operator.cluster.concurrently import concurrently
from vmcp_operator.errors import ClusterError
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import Kind
from vmcp_operator.telemetry import Telemetry
from vmcp_operator.watch.answers import watched_paths
from vmcp_operator.watch.scope import Scope

BARRED_SECONDS: Final = 120.0
"""For which a kind is left out that may be listed, and over which the watch ended all the same."""

_REFUSED: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR})
"""A right is missing, the kind goes just now, or its conversion fails; whatever else passes by itself."""

logger = logging.getLogger(__name__)

Missing: TypeAlias = Callable[[tuple[Kind, ...]], Awaitable[tuple[Kind, ...]]]
Peek: TypeAlias = Callable[[Kind, str], Awaitable[None]]


class OptionalKinds:
    """Asks for the optional kinds of a scope; `clock` is monotonic, in seconds.

    `missing` says which kinds the API server does not know, `peek` raises where one cannot be listed.
    """

    def __init__(
        self, scope: Scope, missing: Missing, peek: Peek, telemetry: Telemetry, clock: Callable[[], float]
    ) -> None:
        self._scope: Final = scope
        self._missing: Final = missing
        self._peek: Final = peek
        self._telemetry: Final = telemetry
        self._clock: Final = clock
        self._barred: Final[dict[Kind, float]] = {}
        self._told: Final[dict[Kind, str]] = {}

    async def find(self, otherwise: tuple[Kind, ...]) -> tuple[Kind, ...]:
        """Those that are served and may be listed; `otherwise` where the API server cannot be asked."""
        optional = self._scope.optional
        if not optional:
            return ()
        try:
            missing = await self._missing(optional)
            served = tuple(kind for kind in optional if kind not in missing)
            refusals = dict(zip(served, await concurrently(map(self._refusal, served)), strict=True))
        except ClusterError:
            return otherwise
        for kind in optional:
            self._tell(kind, refusals.get(kind, ""))
        return tuple(kind for kind in served if not refusals[kind])

    def bar(self, kinds: Iterable[Kind], problems: Iterable[str]) -> None:
        """Leaves out for a while those over which alone a watch has ended; `problems` are its paths without answer."""
        paths = watched_paths(self._scope, kinds)
        culprits = set(problems)
        if culprits and culprits <= paths.keys():
            self._barred.update(dict.fromkeys((paths[path] for path in culprits), self._clock() + BARRED_SECONDS))

    async def _refusal(self, kind: Kind) -> str:
        """Why a kind cannot be watched; empty where it can."""
        for namespace in self._scope.namespaces or ("",):
            try:
                await self._peek(kind, namespace)
            except ClusterError as error:
                if error.status not in _REFUSED:
                    raise
                return str(error)
        return "its watch ended" if self._barred.get(kind, 0.0) > self._clock() else ""

    def _tell(self, kind: Kind, refusal: str) -> None:
        self._telemetry.refused.labels(str(kind)).set(bool(refusal))
        before = self._told.get(kind, "")
        self._told[kind] = refusal
        if refusal and not before:
            log_event(logger, logging.WARNING, "kind of another operator left out", kind=kind, error=refusal)
        elif before and not refusal:
            log_event(logger, logging.INFO, "kind of another operator refused no more", kind=kind)
