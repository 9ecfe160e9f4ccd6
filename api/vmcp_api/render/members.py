"""The members of a group as backends, and those that are not served."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

from vmcp_api.config import Backend, Transport, Withheld
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.kinds.endpoint.auth import BackendAuthType, OutgoingAuthSource
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.manifests.resolve import Member, Resolved
from vmcp_api.manifests.resources import Resources
from vmcp_api.naming import JOINED_BY, LOCAL_COMMAND
from vmcp_api.render.cluster import build_cluster_backend
from vmcp_api.render.local import build_local_backend
from vmcp_api.render.member import Outcome, Refusal, refuse_collision, refuse_missing, subject_of, withhold
from vmcp_api.render.outgoing import Shown, build_outgoing, find_broken_references, find_overridden
from vmcp_api.render.reasons import Reason
from vmcp_api.render.rendered import Mode
from vmcp_api.render.token_hosts import TokenHosts
from vmcp_api.render.tools.configs import refuse_tools
from vmcp_api.spec.outgoing import OutgoingAuthType

_SHOWS_NOTHING: Final = frozenset({BackendAuthType.DISCOVERED, BackendAuthType.UNAUTHENTICATED})
"""What an endpoint may say of a backend by its name without giving it anything; one that joined refers to nothing."""


@dataclass(frozen=True, slots=True)
class Members:
    """What is served, what is withheld, and what is odd about either."""

    backends: tuple[Backend, ...]
    withheld: tuple[Withheld, ...]
    warnings: Problems = field(default_factory=Problems)


def leave_out_crowd(resolved: Resolved, most: int) -> Resolved:
    """Without those that joined by themselves where the group has more members than ``most``, the last by name first.

    They must not keep what the group's owner writes from being served (ADR-0069).
    """
    surplus = len(resolved.members) - most
    joined = [member.metadata.name for member in resolved.members if has_joined(member)]
    if surplus <= 0 or not joined:
        return resolved
    left_out = frozenset(joined[-surplus:])
    members = tuple(each for each in resolved.members if not (has_joined(each) and each.metadata.name in left_out))
    message = f"the group has too many members: {len(left_out)} that joined by binding are left out"
    problem = Problem(message, "split it", ("spec", "groupRef"), f"VirtualMCPServer/{_name(resolved)}")
    return replace(resolved, members=members, warnings=resolved.warnings + Problems.of(problem).as_warnings())


def has_joined(member: Member) -> bool:
    """Whether a member is in its group because its server asked for it, and not by the word of the group's owner."""
    return JOINED_BY in member.metadata.labels


def build_members(resolved: Resolved, resources: Resources, mode: Mode, hosts: TokenHosts) -> Members:
    """Every member of the group, served or withheld with a reason."""
    # Who joined by itself takes no name away.
    names = Counter(member.metadata.name for member in resolved.members if not has_joined(member))
    backends: list[Backend] = []
    withheld: list[Withheld] = []
    warnings = Problems()
    for member in resolved.members:
        if has_joined(member) and names[member.metadata.name]:
            problem = replace(
                clash(member.kind), message="an MCPServer of the same name is in the group, and is served"
            )
            warnings += Problems.of(problem).as_warnings().about(subject_of(member))
            continue
        outcome = (
            Refusal(Reason.NAME_CLASH, clash(member.kind))
            if names[member.metadata.name] > 1
            else _refuse_joined(member, resolved) or _build(member, resolved.vmcp, resources, mode, hosts)
        )
        if isinstance(outcome, Backend):
            is_program = _is_program(member, outcome, mode)
            backends.append(outcome.model_copy(update={"outgoing_auth": None}) if is_program else outcome)
            warnings += _warn(member, outcome, resolved.vmcp, is_program=is_program)
            continue
        entry, warning = withhold(member, outcome)
        withheld.append(entry)
        warnings += warning
    warnings += Problems(tuple(find_broken_references(resolved.vmcp, resources))).as_warnings()
    # Several members may have met the same one.
    return Members(tuple(backends), tuple(withheld), Problems(tuple(dict.fromkeys(warnings))))


def clash(kind: str) -> Problem:
    """What is wrong with a member of a kind whose name is also that of a member of the other kind."""
    other = "MCPServerEntry" if kind == "MCPServer" else "MCPServer"
    message = f"an {other} of the same name is in the group, so that neither is served"
    return Problem(message, "rename one of the two", ("metadata", "name"))


def _refuse_joined(member: Member, resolved: Resolved) -> Refusal | None:
    """A member that joined by itself, where the group's owner does not let it, or means another by its name."""
    if not has_joined(member):
        return None
    name, group = member.metadata.name, resolved.group
    if not group.spec.allow_gateway_bindings:
        message = f"MCPGroup {group.metadata.name!r} takes no servers by binding"
        problem = Problem(message, "set its spec.allowGatewayBindings", ("spec", "groupRef"))
        return Refusal(Reason.BINDING_NOT_ALLOWED, problem)
    said = resolved.vmcp.spec.outgoing_auth.backends.get(name)
    if said is None or said.type in _SHOWS_NOTHING:
        return None
    message = f"outgoingAuth.backends.{name} has credentials, which whoever joins by that name would get"
    remedy = "name the server in spec.serverRefs of the MCPGroup, or take them out"
    return Refusal(Reason.NAMED_CREDENTIALS, Problem(message, remedy, subject=f"VirtualMCPServer/{_name(resolved)}"))


def _name(resolved: Resolved) -> str:
    return resolved.vmcp.metadata.name


def _build(member: Member, vmcp: VirtualMCPServer, resources: Resources, mode: Mode, hosts: TokenHosts) -> Outcome:
    refusal = (
        refuse_collision(member, vmcp.spec.passthrough_headers)
        or refuse_missing(member, resources)
        or refuse_tools(member, vmcp, resources)
    )
    if refusal:
        return refusal
    build = build_local_backend if mode is Mode.LOCAL else build_cluster_backend
    backend = build(member, resources)
    if isinstance(backend, Refusal):
        return backend
    auth = build_outgoing(Shown(member, backend.url), vmcp, resources, mode, hosts)
    return auth if isinstance(auth, Refusal) else backend.model_copy(update={"outgoing_auth": auth})


def _is_program(member: Member, backend: Backend, mode: Mode) -> bool:
    """Whether what a backend is shown would reach nobody: it has no headers, or its bridge drops them."""
    is_bridged = mode is Mode.CLUSTER and member.spec.transport == Transport.STDIO
    return backend.transport is Transport.STDIO or is_bridged


def _warn(member: Member, backend: Backend, vmcp: VirtualMCPServer, *, is_program: bool) -> Problems:
    auth = backend.outgoing_auth
    not_sent = _not_sent(backend) if is_program else None
    found = [_unused_reference(member, vmcp), not_sent, find_overridden(member, auth) if auth else None]
    return Problems(tuple(each for each in found if each)).as_warnings().about(subject_of(member))


def _unused_reference(member: Member, vmcp: VirtualMCPServer) -> Problem | None:
    """A VirtualMCPServer that says something of a member which says it itself."""
    outgoing = vmcp.spec.outgoing_auth
    said = outgoing.backends.get(member.metadata.name)
    is_both = member.spec.external_auth_config_ref and said and said.type is not BackendAuthType.DISCOVERED
    if not is_both or outgoing.source is not OutgoingAuthSource.DISCOVERED:
        return None
    message = f"counts, and not what outgoingAuth.backends of the VirtualMCPServer {vmcp.metadata.name!r} says"
    return Problem(message, "remove one of the two, or set source to inline there", ("spec", "externalAuthConfigRef"))


def _not_sent(backend: Backend) -> Problem | None:
    """A program that is to be shown something: it has no headers."""
    auth = backend.outgoing_auth
    if auth is None or auth.type is OutgoingAuthType.UNAUTHENTICATED:
        return None
    message = f"is a program here, which gets no headers, so that {auth.type} is left out"
    is_local = backend.transport is Transport.STDIO
    place = ("metadata", "annotations", LOCAL_COMMAND) if is_local else ("spec", "transport")
    return Problem(message, "give it the credential by env or secrets", place)
