"""One VirtualMCPServer with its members as a proxy config."""

from collections import Counter
from collections.abc import Mapping

from vmcp_api.config import Backend, ProxyConfig, Withheld
from vmcp_api.config.sessions import StorageConfig, StorageTls
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.kinds.core import ConfigMap, Secret
from vmcp_api.manifests.problems import Problem, Problems, Severity
from vmcp_api.manifests.resolve import Member, Resolved, resolve
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.cluster import build_cluster_backend
from vmcp_api.render.local import build_local_backend
from vmcp_api.render.member import (
    Outcome,
    Refusal,
    refuse_collision,
    refuse_missing,
    withhold,
)
from vmcp_api.render.reasons import Reason
from vmcp_api.render.rendered import Mode, Rendered
from vmcp_api.render.secretrefs import secret_refs
from vmcp_api.secret import SecretBytes, SecretKey
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.sessions import SessionStorage

MAX_BACKENDS = 256


def render(resources: Resources, name: str, *, mode: Mode) -> Rendered | Problems:
    """The config of a VirtualMCPServer; members that cannot be served are withheld, each with a warning.

    The answer is problems when the endpoint as a whole cannot be rendered.
    """
    resolved = resolve(resources, name)
    if isinstance(resolved, Problems):
        return resolved
    if len(resolved.members) > MAX_BACKENDS:
        return refuse_crowd(name)
    backends, withheld, warnings = _members(resolved, resources, mode)
    config = _config(resolved.vmcp, resources, backends, withheld)
    secrets = _secrets(config, resources) if mode is Mode.LOCAL else {}
    noted = resolved.warnings + _exposed_session(resolved.vmcp)
    return Rendered(config, secrets, noted + warnings)


def refuse_crowd(name: str) -> Problems:
    """What is wrong where the group of a VirtualMCPServer has more members than ``MAX_BACKENDS``."""
    message = f"the group has more than {MAX_BACKENDS} members"
    return Problems.of(Problem(message, "split it", ("spec", "groupRef"), f"VirtualMCPServer/{name}"))


def _members(
    resolved: Resolved, resources: Resources, mode: Mode
) -> tuple[tuple[Backend, ...], tuple[Withheld, ...], Problems]:
    names = Counter(member.metadata.name for member in resolved.members)
    backends: list[Backend] = []
    withheld: list[Withheld] = []
    warnings = Problems()
    for member in resolved.members:
        clash = names[member.metadata.name] > 1
        outcome = _clash(member) if clash else _build(member, resolved.vmcp, resources, mode)
        if isinstance(outcome, Backend):
            backends.append(outcome)
            continue
        entry, warning = withhold(member, outcome)
        withheld.append(entry)
        warnings += warning
    return tuple(backends), tuple(withheld), warnings


def _clash(member: Member) -> Refusal:
    return Refusal(Reason.NAME_CLASH, clash(member.kind))


def clash(kind: str) -> Problem:
    """What is wrong with a member of a kind whose name is also that of a member of the other kind."""
    other = "MCPServerEntry" if kind == "MCPServer" else "MCPServer"
    message = f"an {other} of the same name is in the group, so that neither is served"
    return Problem(message, "rename one of the two", ("metadata", "name"))


def _build(member: Member, vmcp: VirtualMCPServer, resources: Resources, mode: Mode) -> Outcome:
    refusal = refuse_collision(member, vmcp.spec.passthrough_headers) or refuse_missing(member, resources)
    if refusal:
        return refusal
    if mode is Mode.LOCAL:
        return build_local_backend(member, resources)
    return build_cluster_backend(member, resources)


def _config(
    vmcp: VirtualMCPServer,
    resources: Resources,
    backends: tuple[Backend, ...],
    withheld: tuple[Withheld, ...],
) -> ProxyConfig:
    spec = vmcp.spec
    return ProxyConfig(
        name=vmcp.metadata.name,
        namespace=vmcp.metadata.namespace,
        incoming_auth=IncomingAuth(type=spec.incoming_auth.type),
        passthrough_headers=spec.passthrough_headers,
        passthrough_header_mode=spec.passthrough_header_mode,
        allowed_hosts=spec.allowed_hosts,
        allowed_origins=spec.allowed_origins,
        config=spec.config,
        session_storage=_storage(spec.session_storage, resources),
        session_management=spec.session_management,
        backends=backends,
        withheld=withheld,
    )


def _storage(storage: SessionStorage, resources: Resources) -> StorageConfig:
    """The storage with the CA certificates copied in."""
    ref = storage.tls.ca_bundle_ref
    bundle = resources.of(ConfigMap)[ref.name].data[ref.key] if ref else None
    rest = {name: getattr(storage, name) for name in storage.model_fields_set - {"tls"}}
    return StorageConfig(tls=StorageTls(enabled=storage.tls.enabled, ca_bundle=bundle), **rest)


def _exposed_session(vmcp: VirtualMCPServer) -> Problems:
    if not vmcp.spec.passthrough_headers or vmcp.spec.incoming_auth.type is not IncomingAuthType.ANONYMOUS:
        return Problems()
    message = "callers are anonymous, so a session id alone opens the headers that were passed through"
    remedy = "identify callers, or keep session ids secret and the endpoint private"
    loc = ("spec", "passthroughHeaders")
    subject = f"VirtualMCPServer/{vmcp.metadata.name}"
    return Problems.of(Problem(message, remedy, loc, subject, severity=Severity.WARNING))


def _secrets(config: ProxyConfig, resources: Resources) -> Mapping[SecretKey, SecretBytes]:
    known = resources.of(Secret)
    return {(ref.name, ref.key): known[ref.name].data[ref.key] for ref in secret_refs(config)}
