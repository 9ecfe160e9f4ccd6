"""The members of a group as backends, and those that are not served."""

from collections import Counter
from dataclasses import dataclass, field

from vmcp_api.config import Backend, Transport, Withheld
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.kinds.endpoint.auth import BackendAuthType, OutgoingAuthSource
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.manifests.resolve import Member, Resolved
from vmcp_api.manifests.resources import Resources
from vmcp_api.naming import LOCAL_COMMAND
from vmcp_api.render.cluster import build_cluster_backend
from vmcp_api.render.local import build_local_backend
from vmcp_api.render.member import Outcome, Refusal, refuse_collision, refuse_missing, subject_of, withhold
from vmcp_api.render.outgoing import Shown, build_outgoing, find_broken_references, find_overridden
from vmcp_api.render.reasons import Reason
from vmcp_api.render.rendered import Mode
from vmcp_api.render.token_hosts import TokenHosts
from vmcp_api.render.tools.configs import refuse_tools
from vmcp_api.spec.outgoing import OutgoingAuthType


@dataclass(frozen=True, slots=True)
class Members:
    """What is served, what is withheld, and what is odd about either."""

    backends: tuple[Backend, ...]
    withheld: tuple[Withheld, ...]
    warnings: Problems = field(default_factory=Problems)


def build_members(resolved: Resolved, resources: Resources, mode: Mode, hosts: TokenHosts) -> Members:
    """Every member of the group, served or withheld with a reason."""
    names = Counter(member.metadata.name for member in resolved.members)
    backends: list[Backend] = []
    withheld: list[Withheld] = []
    warnings = Problems()
    for member in resolved.members:
        is_clash = names[member.metadata.name] > 1
        outcome = (
            Refusal(Reason.NAME_CLASH, clash(member.kind))
            if is_clash
            else _build(member, resolved.vmcp, resources, mode, hosts)
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
