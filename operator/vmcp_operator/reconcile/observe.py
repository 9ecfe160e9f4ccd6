"""Reads everything that decides about one resource into a frozen world."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from vmcp_api.base import Model
from vmcp_api.kinds import KINDS, MCPGroup, MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.core import ConfigMap
from vmcp_api.kinds.mcpserver import MCPServerPhase
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import Resources
from vmcp_api.manifests.validate import validate
from vmcp_operator.cluster import Cluster
from vmcp_operator.cluster.concurrently import concurrently
from vmcp_operator.cluster.shared_lists import SharedLists
from vmcp_operator.errors import Denied
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DISRUPTION_BUDGET,
    ENTRY,
    MCP_GROUP,
    NETWORK_POLICY,
    POD,
    REPLICA_SET,
    SERVER,
    VMCP,
    Kind,
    Manifest,
    Ref,
)
from vmcp_operator.plan.objects.naming import selector_text
from vmcp_operator.plan.objects.workload import deployment_ref
from vmcp_operator.plan.pod_status import Report
from vmcp_operator.plan.server.plan import server_child_refs
from vmcp_operator.plan.vmcp.plan import child_refs
from vmcp_operator.plan.world import Children, InvalidMember, PodSettings, World
from vmcp_operator.reconcile.ownership import own_pods

ModelT = TypeVar("ModelT", bound=Model)

_READ: Final = frozenset({"apiVersion", "kind", "metadata", "spec"})
_CHILDREN: Final[Mapping[str, Callable[[Ref], tuple[Ref, ...]]]] = {
    VMCP.name: child_refs,
    SERVER.name: server_child_refs,
}


_OPTIONAL: Final = frozenset({NETWORK_POLICY, DISRUPTION_BUDGET})
"""Kinds that are read, to delete what is no longer wanted, but whose rights a cluster without them need not give."""


class Reports(Protocol):
    """The last answers of pods, and which of them may still answer for the first time."""

    def report(self, uid: str) -> Report | None: ...

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

    async def observe(self, key: Ref) -> World | None:
        """The world of a resource; None where it does not exist or is being deleted.

        Raises:
            ClusterError: the API server could not be read.
        """
        manifest = await self._cluster.get(key)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            return None
        own = parse(manifest)
        problems = own if isinstance(own, Problems) else Problems()
        model = None if isinstance(own, Problems) else own
        children, pods = await self._owned(key, model)
        resources, invalid, failed = await self._referenced(key, model)
        return World(
            key=key,
            now=self._clock(),
            manifest=manifest,
            resources=resources,
            settings=self._settings,
            problems=problems,
            invalid_members=invalid,
            failed_servers=failed,
            children=children,
            pods=pods,
            reports=self._heard(pods),
            awaited=frozenset(uid for uid in map(_uid, pods) if self._reports.is_awaited(uid)),
        )

    async def _owned(self, key: Ref, model: Model | None) -> tuple[Children, tuple[Manifest, ...]]:
        """The children and the pods behind them."""
        wanted = _optional_kinds(model)
        refs = _CHILDREN[key.kind.name](key) if key.kind.name in _CHILDREN else ()
        if not refs:
            return {}, ()
        found = await concurrently(self._child(ref, is_wanted=ref.kind in wanted) for ref in refs)
        children = {ref: live for ref, live in zip(refs, found, strict=True) if live is not None}
        deployment = children.get(deployment_ref(key))
        if deployment is None:
            return children, ()
        selector = selector_text(key)
        sets, pods = await concurrently(
            self._cluster.list(kind, key.namespace, selector) for kind in (REPLICA_SET, POD)
        )
        return children, own_pods(deployment, sets, pods)

    async def _child(self, ref: Ref, *, is_wanted: bool) -> Manifest | None:
        """A child; one that nobody asks for and that may not be read counts as absent."""
        try:
            return await self._cluster.get(ref)
        except Denied:
            if is_wanted or ref.kind not in _OPTIONAL:
                raise
            return None

    async def _referenced(
        self, key: Ref, model: Model | None
    ) -> tuple[Resources, tuple[InvalidMember, ...], frozenset[str]]:
        """What the resource refers to, as far as it is there and validates; the names of servers that failed."""
        group = key.name if key.kind is MCP_GROUP else _group_name(model)
        groups = () if key.kind is MCP_GROUP else await self._groups(key.namespace, group)
        found = () if group is None else await self._fellows(key, group)
        parsed = [(manifest, parse(manifest)) for manifest in found]
        models: list[Model] = [each for _, each in parsed if isinstance(each, Model)]
        if model is not None:
            models.append(model)
        invalid = tuple(
            InvalidMember(manifest["kind"], manifest["metadata"]["name"], each)
            for manifest, each in parsed
            if isinstance(each, Problems) and manifest["kind"] != VMCP.name
        )
        resources = Resources(
            namespace=key.namespace,
            virtual_servers=_index(models, VirtualMCPServer),
            groups=_index([*groups, *models], MCPGroup),
            servers=_index(models, MCPServer),
            entries=_index(models, MCPServerEntry),
            config_maps=await self._config_maps(key.namespace, models),
        )
        return resources, invalid, frozenset(each["metadata"]["name"] for each in found if _is_failed_server(each))

    async def _fellows(self, key: Ref, group: str) -> tuple[Manifest, ...]:
        """Resources of the group that decide about this one: of an entry, the server whose name it has."""
        if key.kind is SERVER:
            return ()
        if key.kind is ENTRY:
            twin = await self._cluster.get(Ref(SERVER, key.namespace, key.name))
            return () if twin is None or not _names_group(twin, group) else (twin,)
        kinds = (SERVER, ENTRY, VMCP) if key.kind is MCP_GROUP else (SERVER, ENTRY)
        lists = await concurrently(self._lists.list(kind, key.namespace) for kind in kinds)
        return tuple(each for items in lists for each in items if _names_group(each, group))

    async def _groups(self, namespace: str, name: str | None) -> tuple[Model, ...]:
        if name is None:
            return ()
        manifest = await self._cluster.get(Ref(MCP_GROUP, namespace, name))
        parsed = parse(manifest) if manifest is not None else None
        return (parsed,) if isinstance(parsed, Model) else ()

    async def _config_maps(self, namespace: str, models: Iterable[Model]) -> dict[str, ConfigMap]:
        names = sorted(set(_config_map_names(models)))
        found = await concurrently(self._cluster.get(Ref(CONFIG_MAP, namespace, name)) for name in names)
        return {
            name: ConfigMap(name, namespace, live.get("data") or {})
            for name, live in zip(names, found, strict=True)
            if live is not None
        }

    def _heard(self, pods: Iterable[Manifest]) -> dict[str, Report]:
        heard = {uid: self._reports.report(uid) for uid in map(_uid, pods)}
        return {uid: report for uid, report in heard.items() if report is not None}


def parse(manifest: Manifest) -> Model | Problems:
    """The model of one of our resources; its status is the operator's own and is not read."""
    wanted: Manifest = {key: value for key, value in manifest.items() if key in _READ}
    return validate(KINDS[manifest["kind"]], wanted)


def _optional_kinds(model: Model | None) -> frozenset[Kind]:
    """Which of the optional kinds a resource asks for."""
    if not isinstance(model, VirtualMCPServer | MCPServer):
        return frozenset()
    asks_for_budget = isinstance(model, VirtualMCPServer) and model.spec.pod_disruption_budget is not None
    policy = {NETWORK_POLICY} if model.spec.network_policy.enabled else set()
    return frozenset(policy | ({DISRUPTION_BUDGET} if asks_for_budget else set()))


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])


def _names_group(manifest: Manifest, group: str) -> bool:
    return ((manifest.get("spec") or {}).get("groupRef") or {}).get("name") == group


def _is_failed_server(manifest: Manifest) -> bool:
    return manifest["kind"] == SERVER.name and (manifest.get("status") or {}).get("phase") == MCPServerPhase.FAILED


def _group_name(model: Model | None) -> str | None:
    if isinstance(model, VirtualMCPServer | MCPServer | MCPServerEntry) and model.spec.group_ref:
        return model.spec.group_ref.name
    return None


def _config_map_names(models: Iterable[Model]) -> Iterable[str]:
    for model in models:
        if isinstance(model, MCPServerEntry) and model.spec.ca_bundle_ref:
            yield model.spec.ca_bundle_ref.config_map_ref.name
        if isinstance(model, VirtualMCPServer) and (ref := model.spec.session_storage.tls.ca_bundle_ref):
            yield ref.name


def _index(models: Iterable[Model], kind: type[ModelT]) -> dict[str, ModelT]:
    return {model.metadata.name: model for model in models if isinstance(model, kind)}  # type: ignore[attr-defined]
