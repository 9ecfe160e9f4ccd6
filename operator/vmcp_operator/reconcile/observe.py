"""Reads everything that decides about one resource into a frozen world."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from vmcp_api.kinds.foreign.lifecycle import LifecycleServer
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import AnyObject, Resources, build_resources
from vmcp_api.pod_status import PodStatus
from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.concurrently import concurrently
from vmcp_operator.cluster.shared_lists import SharedLists
from vmcp_operator.errors import Denied
from vmcp_operator.plan.controller import Child, Controller, Read
from vmcp_operator.plan.controllers import controller_of
from vmcp_operator.plan.kinds import POD, REPLICA_SET, WORKLOADS, Manifest, Ref, ref_of
from vmcp_operator.plan.world import Invalid, Objects, PodSettings, World
from vmcp_operator.reconcile.models import Models
from vmcp_operator.reconcile.ownership import own_pods
from vmcp_operator.reconcile.reads import Reader, Unread


class Reports(Protocol):
    """The last answers of pods, and which of them may still answer for the first time."""

    def report(self, uid: str) -> PodStatus | None: ...

    def is_awaited(self, uid: str) -> bool: ...


def _now() -> datetime:
    return datetime.now(UTC)


class Observer:
    """Reads from the API server, always fresh; only the pods' reports come from the poller's memory."""

    def __init__(
        self, cluster: Cluster, reports: Reports, settings: PodSettings, *, clock: Callable[[], datetime] = _now
    ) -> None:
        self._cluster: Final = cluster
        self._lists: Final = SharedLists(cluster)
        self._reports: Final = reports
        self._settings: Final = settings
        self._clock: Final = clock
        self._models: Final = Models()

    async def exists(self, key: Ref) -> bool:
        """Whether a resource is there.

        Raises:
            ClusterError: the API server could not be read.
        """
        return await self._cluster.get(key) is not None

    async def observe(self, key: Ref, reads: set[Read]) -> World | None:
        """The world of a resource; None where it does not exist or is being deleted.

        `reads` becomes all that was read, also where reading failed.

        Raises:
            ClusterError: the API server could not be read.
        """
        reader = Reader(self._cluster, self._lists, reads, lifecycle=self._settings.lifecycle)
        manifest = await reader.get(key)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return None
        controller = controller_of(key.kind)
        own = self._models.parse(manifest)
        known: tuple[AnyObject, ...] = () if isinstance(own, Problems) else (own,)
        found = _Found(self._models, serves_stdio=self._settings.stdio)
        children, pods = await _read_owned(reader, key, controller.children(key, found.index(key, known), manifest))
        await _read_referenced(reader, controller, key, known, found)
        return World(
            key=key,
            now=self._clock(),
            manifest=manifest,
            settings=self._settings,
            problems=own if isinstance(own, Problems) else Problems(),
            found=found.manifests,
            resources=found.index(key, known),
            invalid=found.invalid,
            unread=frozenset(found.unread),
            children=children,
            pods=pods,
            reports=self._received(pods),
            awaited=frozenset(uid for uid in map(_uid, pods) if self._reports.is_awaited(uid)),
        )

    def _received(self, pods: Iterable[Manifest]) -> dict[str, PodStatus]:
        received = {uid: self._reports.report(uid) for uid in map(_uid, pods)}
        return {uid: report for uid, report in received.items() if report is not None}


class _Found:
    """What was read beside the resource and its children, parsed once each."""

    def __init__(self, models: Models, *, serves_stdio: bool) -> None:
        self._models: Final = models
        self._serves_stdio: Final = serves_stdio
        self.manifests: Final[dict[Ref, Manifest]] = {}
        self._parsed: Final[dict[Ref, AnyObject | Problems]] = {}
        self.unread: Final[set[Ref]] = set()

    def miss(self, unread: Unread) -> None:
        """A server that may be there counts as one that cannot be reached, so that nothing of it is removed."""
        ref = unread.ref
        self.unread.add(ref)
        self._parsed[ref] = LifecycleServer(ref.name, ref.namespace, problem=unread.why)

    def add(self, manifest: Manifest) -> None:
        ref = ref_of(manifest)
        self.manifests[ref] = manifest
        self._parsed[ref] = self._models.parse(manifest)

    @property
    def invalid(self) -> tuple[Invalid, ...]:
        return tuple(Invalid(ref, each) for ref, each in self._parsed.items() if isinstance(each, Problems))

    def index(self, key: Ref, known: Iterable[AnyObject]) -> Resources:
        valid = (each for each in self._parsed.values() if not isinstance(each, Problems))
        invalid = {(each.ref.kind.name, each.ref.name): each.problems for each in self.invalid}
        return build_resources(
            key.namespace,
            (*valid, *known),
            reads_secrets=False,
            is_whole=False,
            invalid=invalid,
            serves_stdio=self._serves_stdio,
        )


async def _read_referenced(
    reader: Reader, controller: Controller[Any], key: Ref, known: tuple[AnyObject, ...], found: _Found
) -> None:
    """Finds what the kind reads; asked again with what was found, as one reference leads to the next."""
    done: set[Read] = set()
    while True:
        wanted = controller.reads(key, found.index(key, known))
        new = tuple(dict.fromkeys(each for each in wanted if each not in done))
        if not new:
            return
        done.update(new)
        for manifests in await concurrently(reader.read(each) for each in new):
            if isinstance(manifests, Unread):
                found.miss(manifests)
                continue
            for manifest in manifests:
                found.add(manifest)


async def _read_owned(reader: Reader, key: Ref, wanted: tuple[Child, ...]) -> tuple[Objects, tuple[Manifest, ...]]:
    """The children and the pods behind them."""
    live = await concurrently(_read_child(reader, child) for child in wanted)
    children = {child.ref: each for child, each in zip(wanted, live, strict=True) if each is not None}
    workloads = tuple(each for ref, each in children.items() if ref.kind in WORKLOADS)
    if not workloads:
        return children, ()
    sets, pods = await concurrently(reader.owned(kind, key) for kind in (REPLICA_SET, POD))
    return children, own_pods(workloads, sets, pods)


async def _read_child(reader: Reader, child: Child) -> Manifest | None:
    """A child; one that nobody asks for and that may not be read counts as absent."""
    try:
        return await reader.get(child.ref)
    except Denied:
        if child.is_wanted:
            raise
        return None


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])
