"""One VirtualMCPServer with its members as a proxy config."""

from collections.abc import Mapping
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.config.sessions import StorageConfig, StorageTls
from vmcp_api.kinds import MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import Resolved, resolve
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.composites import Composites, build_composites
from vmcp_api.render.incoming import build_incoming
from vmcp_api.render.member import Refusal
from vmcp_api.render.members import Members, build_members, leave_out_crowd
from vmcp_api.render.observability.audit import doubt_audit
from vmcp_api.render.observability.telemetry import build_telemetry, doubt_telemetry
from vmcp_api.render.optimizer import ToolSearch, build_tool_search
from vmcp_api.render.policies import build_authorization, doubt_authorization
from vmcp_api.render.rendered import Mode, Rendered, Unguarded
from vmcp_api.render.secretrefs import secret_refs
from vmcp_api.render.token_hosts import TokenHosts
from vmcp_api.render.tools.configs import build_aggregation, find_doubts
from vmcp_api.secret import SecretBytes, SecretKey
from vmcp_api.spec.authorization import Authorization
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.sessions import SessionStorage
from vmcp_api.spec.telemetry import Telemetry

MAX_BACKENDS = 256

_MEMBERS: Final = frozenset({MCPServer.__name__, MCPServerEntry.__name__})
_NOBODY: Final = IncomingAuth(type=IncomingAuthType.ANONYMOUS)
_NOTHING: Final = Authorization(policies=("forbid (principal, action, resource);",))
"""What stands in a config that lacks its own: nobody may do anything, whoever would take it as it is."""


def render(resources: Resources, name: str, *, mode: Mode) -> Rendered | Problems:
    """The config of a VirtualMCPServer; members that cannot be served are withheld, each with a warning.

    The answer is problems when the endpoint as a whole cannot be rendered.
    """
    outcome = render_parts(resources, name, mode=mode)
    return outcome.problems if isinstance(outcome, Unguarded) else outcome


def render_parts(
    resources: Resources, name: str, *, mode: Mode, live: ProxyConfig | None = None
) -> Rendered | Unguarded | Problems:
    """As ``render``, and told apart where all is well but who may come in and what they may do.

    ``live`` is the config that is in force: while the callers' provider cannot be told, it is the one of that; and so
    it is with telemetry, as what only tells must not stop what serves.
    """
    resolved = resolve(resources, name)
    if isinstance(resolved, Problems):
        return resolved
    resolved = leave_out_crowd(resolved, MAX_BACKENDS - _count_invalid(resources))
    if len(resolved.members) > MAX_BACKENDS:
        return refuse_crowd(name)
    incoming = build_incoming(resolved.vmcp, resources, mode)
    authorization = build_authorization(resolved.vmcp, resources)
    known = incoming if isinstance(incoming, IncomingAuth) else live.incoming_auth if live else None
    hosts = TokenHosts.of(resolved.vmcp.spec.outgoing_auth.allowed_token_hosts, known.oidc if known else None)
    members = build_members(resolved, resources, mode, hosts)
    if isinstance(incoming, Problems) or isinstance(authorization, Problems):
        return Unguarded(
            incoming if isinstance(incoming, Problems) else Problems(),
            authorization if isinstance(authorization, Problems) else Problems(),
            _assemble(resolved, resources, members, _NOBODY, _NOTHING, mode, live),
        )
    return _assemble(resolved, resources, members, incoming, authorization, mode, live)


def _count_invalid(resources: Resources) -> int:
    """Members that do not validate: they are withheld by name, and count."""
    return sum(kind in _MEMBERS for kind, _ in resources.invalid)


def _assemble(
    resolved: Resolved,
    resources: Resources,
    members: Members,
    incoming: IncomingAuth,
    authorization: Authorization | None,
    mode: Mode,
    live: ProxyConfig | None,
) -> Rendered:
    told = build_telemetry(resolved.vmcp, resources)
    broken = told if isinstance(told, Refusal) else None
    telemetry = (live.telemetry if live else None) if isinstance(told, Refusal) else told
    composites = build_composites(resolved.vmcp, resources)
    search = build_tool_search(resolved.vmcp, resources, mode, live.config.optimizer if live else None)
    config = _config(resolved, resources, members, incoming, authorization, telemetry, composites, search)
    secrets = _secrets(config, resources) if mode is Mode.LOCAL else {}
    noted = resolved.warnings + _exposed_session(resolved.vmcp, members) + doubt_audit(resolved.vmcp)
    noted += doubt_telemetry(resolved.vmcp, resources) + composites.warnings + search.warnings
    noted += find_doubts(resolved.vmcp, resolved.members, resources)
    if authorization is not None and authorization is not _NOTHING:
        known = {each.metadata.name for each in resolved.members}
        noted += doubt_authorization(resolved.vmcp, resources, authorization, known)
    if broken:
        noted += Problems.of(broken.problem).as_warnings()
    return Rendered(config, secrets, noted + members.warnings, broken, composites.refused, search.refused)


def refuse_crowd(name: str) -> Problems:
    """What is wrong where the group of a VirtualMCPServer has more members than ``MAX_BACKENDS``."""
    message = f"the group has more than {MAX_BACKENDS} members"
    return Problems.of(Problem(message, "split it", ("spec", "groupRef"), f"VirtualMCPServer/{name}"))


def _config(
    resolved: Resolved,
    resources: Resources,
    members: Members,
    incoming: IncomingAuth,
    authorization: Authorization | None,
    telemetry: Telemetry | None,
    composites: Composites,
    search: ToolSearch,
) -> ProxyConfig:
    vmcp, spec = resolved.vmcp, resolved.vmcp.spec
    told = {
        "aggregation": build_aggregation(vmcp, resolved.members, resources),
        "composite_tools": composites.tools,
        "optimizer": search.optimizer,
    }
    return ProxyConfig(
        name=vmcp.metadata.name,
        namespace=vmcp.metadata.namespace,
        incoming_auth=incoming,
        authorization=authorization,
        passthrough_headers=spec.passthrough_headers,
        passthrough_header_mode=spec.passthrough_header_mode,
        allowed_hosts=spec.allowed_hosts,
        allowed_origins=spec.allowed_origins,
        config=spec.config.behaviour.model_copy(update=told),
        session_storage=_storage(spec.session_storage, resources),
        session_management=spec.session_management,
        telemetry=telemetry,
        backends=members.backends,
        withheld=members.withheld,
    )


def _storage(storage: SessionStorage, resources: Resources) -> StorageConfig:
    """The storage with the CA certificates copied in."""
    ref = storage.tls.ca_bundle_ref
    bundle = resources.of(ConfigMap)[ref.name].data[ref.key] if ref else None
    rest = {name: getattr(storage, name) for name in storage.model_fields_set - {"tls"}}
    return StorageConfig(tls=StorageTls(enabled=storage.tls.enabled, ca_bundle=bundle), **rest)


def _exposed_session(vmcp: VirtualMCPServer, members: Members) -> Problems:
    """Warnings about headers of callers that a session id alone opens."""
    if vmcp.spec.incoming_auth.type is not IncomingAuthType.ANONYMOUS:
        return Problems()
    places: list[tuple[Loc, str]] = []
    if vmcp.spec.passthrough_headers:
        places.append((("spec", "passthroughHeaders"), "passed through"))
    if any(backend.outgoing_auth and backend.outgoing_auth.relay for backend in members.backends):
        places.append((("spec", "incomingAuth", "type"), "relayed"))
    remedy = "identify callers, or keep session ids secret and the endpoint private"
    message = "callers are anonymous, so a session id alone opens the headers that were"
    found = Problems(tuple(Problem(f"{message} {said}", remedy, loc) for loc, said in places))
    return found.as_warnings().about(f"VirtualMCPServer/{vmcp.metadata.name}")


def _secrets(config: ProxyConfig, resources: Resources) -> Mapping[SecretKey, SecretBytes]:
    known = resources.of(Secret)
    return {(ref.name, ref.key): known[ref.name].data[ref.key] for ref in secret_refs(config)}
