"""MCPGatewayBindings of our provider: a server that asks to be served, and what is told of it (ADR-0069).

The MCP Lifecycle Operator makes the binding and reads its status; a provider makes what the gateway needs, here an
MCPServerEntry, and tells by the condition `Registered` and the URL.
"""

from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from vmcp_api.kinds import MCPGroup, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.kinds.foreign.lifecycle import (
    PROVIDER,
    GatewayBinding,
    GatewayBindingStatus,
    LifecycleServer,
    is_asked_of_us,
    refuse_name,
)
from vmcp_api.kinds.mcpgroup import ServerRef
from vmcp_api.kinds.virtualmcpserver import BackendHealth, BackendStatus
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.server import MAX_BACKENDS
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions
from vmcp_operator.plan.controller import Child, Controller, Planned, Read, Selection
from vmcp_operator.plan.groups.lifecycle import (
    build_entry,
    find_left_over,
    has_twin,
    missing_server,
    say_twin,
    waiting_server,
    why_refused,
)
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    ENTRY,
    GATEWAY_BINDING,
    LIFECYCLE_SERVER,
    MCP_GROUP,
    SERVER,
    VMCP,
    Manifest,
    Ref,
)
from vmcp_operator.plan.objects.children import is_owned
from vmcp_operator.plan.pointers import group_of
from vmcp_operator.plan.status import read_parts
from vmcp_operator.plan.world import Outcome, Plan, World

REGISTERED: Final = "Registered"
"""The condition by which providers tell that a binding is fulfilled."""

_GROUP_KEY: Final = "group"
_ENDPOINT_KEY: Final = "endpoint"
_TOOL_CONFIG_KEY: Final = "tool-config"
_CA_BUNDLE_KEY: Final = "ca-bundle"
_KEYS: Final = (_GROUP_KEY, _ENDPOINT_KEY, _TOOL_CONFIG_KEY, _CA_BUNDLE_KEY)
"""What the ConfigMap may say; no credentials, which would go to whoever may write ConfigMaps and servers (ADR-0069)."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a binding asks for; `endpoint` is empty where the only one of the group is meant."""

    group: str
    endpoint: str
    server: ServerRef


@dataclass(frozen=True, slots=True)
class _Asked:
    """A wish that may be fulfilled, and where its server is.

    `is_listed` says that the group names the server itself, so that the entry is the group's.
    """

    wish: _Wish
    url: str
    is_listed: bool = False


@dataclass(frozen=True, slots=True)
class _Lack:
    """Why a binding is not fulfilled.

    One that `is_final` ends what was served before, one that `is_awaited` is on its way.
    """

    reason: str
    message: str
    is_final: bool = False
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class _Fulfilled:
    """Where the server is served; `url` is None where several endpoints do and none is named."""

    url: str | None
    message: str


def binding_children(key: Ref, found: Resources, _manifest: Manifest) -> tuple[Child, ...]:
    """The entry of the server."""
    binding = _ours(key, found)
    return (Child(Ref(ENTRY, key.namespace, binding.server)),) if binding and binding.server else ()


def binding_reads(key: Ref, found: Resources) -> tuple[Read, ...]:
    """The server, one of ours of its name, the ConfigMap that says which group, that group, and its endpoints.

    And entries of before with their groups, which have to consent whatever the ConfigMap says now.
    """
    groups = {entry.spec.group_ref.name for entry in found.of(MCPServerEntry).values()}
    made: tuple[Read, ...] = (Selection(ENTRY, key), *(Ref(MCP_GROUP, key.namespace, name) for name in sorted(groups)))
    binding = _ours(key, found)
    if binding is None or binding.problem:
        return made
    reads: list[Read] = [
        *made,
        Ref(LIFECYCLE_SERVER, key.namespace, binding.server),
        Ref(SERVER, key.namespace, binding.server),
    ]
    if binding.config:
        reads.append(Ref(CONFIG_MAP, key.namespace, binding.config))
    wish = _read_wish(binding, found)
    if isinstance(wish, _Wish):
        group = Ref(MCP_GROUP, key.namespace, wish.group)
        reads += [group, Selection(VMCP, group)]
    return tuple(reads)


def plan_binding(world: World) -> Planned:
    """Writes the entry; removes it where its server is gone, or the group takes no bindings or no longer this one.

    While it cannot be told what is wanted, the entry stays as it is, if the group that it is in still consents.
    """
    binding = _ours(world.key, world.resources)
    if binding is None:
        return Planned(Plan(prune=find_left_over(world, ())))
    consenting = _find_consenting(world)
    if binding.problem:
        return Planned(Plan(prune=find_left_over(world, consenting)))
    asked = _find_asked(world, binding)
    if isinstance(asked, _Lack):
        kept = frozenset() if asked.is_final else consenting & {binding.server}
        return Planned(Plan(prune=find_left_over(world, kept)))
    if asked.is_listed:
        return Planned(Plan(prune=find_left_over(world, ())))
    entry = build_entry(world, asked.wish.group, asked.wish.server, asked.url)
    return Planned(Plan(apply=(entry,), prune=find_left_over(world, (binding.server,))))


def binding_status(
    world: World, _planned: Planned, outcome: Outcome
) -> tuple[GatewayBindingStatus | None, PhaseReason]:
    """Whether the binding is fulfilled, and where; nothing is said of another provider's."""
    binding = _ours(world.key, world.resources)
    if binding is None:
        return None, PhaseReason("Valid", "Valid", "another provider's")
    told = _judge(world, binding, outcome)
    if isinstance(told, _Lack):
        finding = Finding.false(REGISTERED, told.reason, told.message)
        phase = "Pending" if told.is_awaited and not _was_registered(world) else "Failed"
        return _status(world, finding), PhaseReason(phase, told.reason, told.message)
    finding = Finding.true(REGISTERED, REGISTERED, told.message)
    return _status(world, finding, told.url), PhaseReason("Valid", REGISTERED, told.message)


def _status(world: World, finding: Finding, url: str | None = None) -> GatewayBindingStatus:
    conditions = build_conditions((finding,), world.conditions, world.now, world.generation)
    return GatewayBindingStatus(url=url, conditions=conditions)


def _ours(key: Ref, found: Resources) -> GatewayBinding | None:
    binding = found.of(GatewayBinding).get(key.name)
    return binding if binding is not None and binding.provider == PROVIDER else None


def _read_wish(binding: GatewayBinding, found: Resources) -> _Wish | _Lack:
    """What the ConfigMap of a binding says."""
    if not binding.config:
        message = f"spec.gateway.configRef of the server names no ConfigMap; name one with the key {_GROUP_KEY!r}"
        return _Lack("ConfigMissing", message)
    config = found.of(ConfigMap).get(binding.config)
    if config is None:
        return _Lack("ConfigMissing", f"ConfigMap {binding.config!r} does not exist in this namespace; create it")
    if unknown := sorted(config.data.keys() - set(_KEYS)):
        known = ", ".join(_KEYS)
        return _Lack("ConfigInvalid", f"ConfigMap {binding.config!r} has the key {unknown[0]!r}; it may have {known}")
    if not (group := config.data.get(_GROUP_KEY, "").strip()):
        message = f"ConfigMap {binding.config!r} has no {_GROUP_KEY!r}; write the name of the MCPGroup there"
        return _Lack("ConfigInvalid", message)
    for key, kind in ((_GROUP_KEY, "MCPGroup"), (_ENDPOINT_KEY, "VirtualMCPServer")):
        name = config.data.get(key, "").strip()
        if name and (problem := refuse_name(f"ConfigMap {binding.config!r}: {key}", kind, name)):
            return _Lack("ConfigInvalid", problem)
    return _build_wish(binding, config, group)


def _build_wish(binding: GatewayBinding, config: ConfigMap, group: str) -> _Wish | _Lack:
    written: dict[str, object] = {"name": binding.server}
    if name := config.data.get(_TOOL_CONFIG_KEY, "").strip():
        written["toolConfigRef"] = {"name": name}
    if name := config.data.get(_CA_BUNDLE_KEY, "").strip():
        written["caBundleRef"] = {"configMapRef": {"name": name}}
    try:
        server = ServerRef.model_validate(written, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return _Lack("ConfigInvalid", f"ConfigMap {binding.config!r}: {place}: {first['msg']}")
    return _Wish(group, config.data.get(_ENDPOINT_KEY, "").strip(), server)


def _find_asked(world: World, binding: GatewayBinding) -> _Asked | _Lack:
    """What a binding asks for, with the address of its server, where it may be given."""
    found = world.resources
    server = found.of(LifecycleServer).get(binding.server)
    if server is None:
        return _Lack("ServerNotFound", missing_server(binding.server), is_final=True)
    wish = _read_wish(binding, found)
    if isinstance(wish, _Lack):
        return wish
    group = found.of(MCPGroup).get(wish.group)
    if group is None:
        return _Lack("GroupNotFound", f"MCPGroup {wish.group!r} does not exist in this namespace, or is not valid")
    is_listed = _is_listed(group, binding.server)
    if refused := None if is_listed else _refuse(world, group, binding.server):
        return refused
    if server.url is None:
        return _Lack("ServerNotReachable", waiting_server(server))
    return _Asked(wish, server.url, is_listed)


def _refuse(world: World, group: MCPGroup, server: str) -> _Lack | None:
    """Why a group takes a server not by binding: no consent, a name that is taken, or no room."""
    name = group.metadata.name
    ref = Ref(MCP_GROUP, world.key.namespace, name)
    if not group.spec.allow_gateway_bindings:
        message = f"MCPGroup {name!r} takes no servers by binding; set its spec.allowGatewayBindings"
        return _Lack("BindingNotAllowed", message, is_final=True)
    if has_twin(world, ref, server):
        return _Lack("NameClash", say_twin(server), is_final=True)
    entry = world.found.get(Ref(ENTRY, world.key.namespace, server))
    is_in = entry is not None and is_owned(entry, world.uid) and ref in group_of(entry)
    if not is_in and _count_members(world, ref) >= MAX_BACKENDS:
        return _full(name)
    return None


def _full(group: str) -> _Lack:
    message = f"MCPGroup {group!r} has {MAX_BACKENDS} members, the most that an endpoint serves; join another"
    return _Lack("GroupFull", message)


def _count_members(world: World, group: Ref) -> int:
    """Members of a group by its own status, which may be a moment behind: endpoints leave out what is too much."""
    status = world.found[group].get("status") or {}
    return sum(status.get(field) or 0 for field in ("serverCount", "entryCount"))


def _find_consenting(world: World) -> frozenset[str]:
    """Entries of the binding whose group still takes them by binding."""
    return frozenset(
        ref.name
        for ref, manifest in world.found.items()
        if ref.kind == ENTRY
        and is_owned(manifest, world.uid)
        and all(_may_consent(world, group.name, ref.name) for group in group_of(manifest))
    )


def _may_consent(world: World, name: str, server: str) -> bool:
    """Whether a group takes a server by binding.

    Of one that does not validate nobody can tell, and its endpoints stay as they are; one that is gone consents to
    nothing.
    """
    group = world.resources.of(MCPGroup).get(name)
    if group is None:
        return (MCPGroup.__name__, name) in world.resources.invalid
    return group.spec.allow_gateway_bindings and not _is_listed(group, server)


def _is_listed(group: MCPGroup, server: str) -> bool:
    """Whether the group's owner names the server: that comes before a binding, and needs no consent."""
    return any(ref.name == server for ref in group.spec.server_refs)


def _was_registered(world: World) -> bool:
    return any(each["type"] == REGISTERED and each["status"] == "True" for each in world.conditions)


def _judge(world: World, binding: GatewayBinding, outcome: Outcome) -> _Fulfilled | _Lack:
    if binding.problem:
        return _Lack("Invalid", binding.problem)
    asked = _find_asked(world, binding)
    if isinstance(asked, _Lack):
        return asked
    if refused := next(iter(outcome.refused), None):
        message = f"MCPServerEntry {binding.server!r} cannot be written: {refused.message}"
        return _Lack(why_refused(world, refused), message)
    return _find_endpoint(world, asked.wish, binding.server)


def _find_endpoint(world: World, wish: _Wish, server: str) -> _Fulfilled | _Lack:
    """The endpoint that serves the server, by what its own status tells."""
    endpoints = world.resources.of(VirtualMCPServer)
    if wish.endpoint and wish.endpoint not in endpoints:
        message = f"no VirtualMCPServer {wish.endpoint!r} serves MCPGroup {wish.group!r}; create it, or name another"
        return _Lack("EndpointNotFound", message)
    if not endpoints:
        message = f"no VirtualMCPServer serves MCPGroup {wish.group!r}; create one whose groupRef names it"
        return _Lack("EndpointNotFound", message)
    names = [wish.endpoint] if wish.endpoint else sorted(endpoints)
    told = {name: _told_of(world, name, server) for name in names}
    serving = [name for name, backend in told.items() if backend is not None and backend.url]
    if not serving:
        withheld = next((each for each in told.values() if each is not None and each.message), None)
        if withheld is None and _count_members(world, Ref(MCP_GROUP, world.key.namespace, wish.group)) > MAX_BACKENDS:
            return _full(wish.group)
        why = withheld.message if withheld else "its pods do not run the config with it yet"
        message = f"VirtualMCPServer {names[0]!r} does not serve it: {why}"
        return _Lack("NotServedYet", message, is_awaited=withheld is None)
    if len(serving) > 1:
        message = f"several endpoints serve it: {', '.join(serving)}; the ConfigMap's {_ENDPOINT_KEY!r} picks one"
        return _Fulfilled(None, message)
    return _Fulfilled(_url_of(world, serving[0]), f"served by VirtualMCPServer {serving[0]!r}")


def _told_of(world: World, endpoint: str, server: str) -> BackendStatus | None:
    """What an endpoint's status says of a backend; None while it says nothing, or does not know it."""
    backends = read_parts(BackendStatus, _status_of(world, endpoint), "backends")
    known = (BackendHealth.UNKNOWN, None)
    return next((each for each in backends if each.name == server and each.status not in known), None)


def _url_of(world: World, endpoint: str) -> str | None:
    url = _status_of(world, endpoint).get("url")
    return url if isinstance(url, str) else None


def _status_of(world: World, endpoint: str) -> Manifest:
    return world.found[Ref(VMCP, world.key.namespace, endpoint)].get("status") or {}


BINDING_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=GATEWAY_BINDING,
    status_type=GatewayBindingStatus,
    children=binding_children,
    reads=binding_reads,
    plan=plan_binding,
    status=binding_status,
    is_ours=is_asked_of_us,
)
"""Bindings of servers to a gateway, as the MCP Lifecycle Operator asks its providers to fulfil them."""
